import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

COLUMNAR = {".parquet": pq.write_table, ".feather": pyarrow.feather.write_feather}


@pytest.fixture(params=COLUMNAR)
def write(request, tmp_path):
    """A function that writes a table to Parquet, then to Feather, and returns the path."""

    def written(columns, name="rows", **options):
        path = tmp_path / f"{name}{request.param}"
        COLUMNAR[request.param](columns if isinstance(columns, pa.Table) else pa.table(columns), path, **options)
        return path

    return written
