import signal
import threading

import pytest

from isthmus.engine.interruption import Interruption


@pytest.fixture
def handlers():
    """The handlers of SIGINT and SIGTERM, which a test has to leave as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield before
    assert {number: signal.getsignal(number) for number in before} == before


def test_the_first_ctrl_c_sets_a_flag_and_the_second_interrupts_as_usual(handlers):
    with Interruption().listening() as interruption:
        assert interruption.signal is None
        assert signal.getsignal(signal.SIGINT) is not handlers[signal.SIGINT]
        signal.raise_signal(signal.SIGINT)
        assert interruption.signal == signal.SIGINT
        assert signal.getsignal(signal.SIGINT) is handlers[signal.SIGINT]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_handlers_are_restored_without_a_signal_and_after_an_error(handlers):
    with Interruption().listening():
        pass
    assert signal.getsignal(signal.SIGINT) is handlers[signal.SIGINT]
    with pytest.raises(RuntimeError), Interruption().listening():
        raise RuntimeError


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_each_of_several_signals_sets_the_flag_and_restores_all_handlers(handlers, number):
    with Interruption((signal.SIGINT, signal.SIGTERM)).listening() as interruption:
        assert all(signal.getsignal(other) is not handler for other, handler in handlers.items())
        signal.raise_signal(number)
        assert interruption.signal == number
        assert all(signal.getsignal(other) is handler for other, handler in handlers.items())


def test_sigterm_keeps_its_handler_unless_it_is_named(handlers):
    with Interruption().listening():
        assert signal.getsignal(signal.SIGTERM) is handlers[signal.SIGTERM]


def test_another_thread_handles_no_signals(handlers):
    seen = []

    def work():
        with Interruption().listening():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [handlers[signal.SIGINT]]


def test_an_interruption_may_listen_again(handlers):
    interruption = Interruption()
    for _ in range(2):
        interruption.signal = None
        with interruption.listening():
            signal.raise_signal(signal.SIGINT)
        assert interruption.signal == signal.SIGINT


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption().listening() as interruption:
            signal.raise_signal(signal.SIGINT)
        assert interruption.signal is None
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
