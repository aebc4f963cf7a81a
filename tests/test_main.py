import subprocess
import sys

# A Ctrl-C that comes while the modules of the command line are imported.
PROGRAM = """
import sys
class Interrupting:
    def find_spec(self, name, path, target=None):
        if name == "isthmus.cli.fit":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from isthmus.__main__ import main
main()
"""


def test_ctrl_c_at_the_start_is_one_line():
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "isthmus: interrupted\n")
