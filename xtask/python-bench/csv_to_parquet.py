"""Turns every CSV file of a folder into one Parquet file, with DuckDB or polars as their manuals say it is done fast.

Usage: csv_to_parquet.py duckdb|polars IN OUT. Prints the seconds that the conversion took, without the interpreter's
start and the imports.
"""

import pathlib
import sys
import time


def with_duckdb(source, target):
    import duckdb

    def convert(file):
        connection.execute(
            f"COPY (SELECT * FROM read_csv('{file}')) TO '{target / file.stem}.parquet' (FORMAT parquet, COMPRESSION zstd)"
        )

    connection = duckdb.connect()
    return convert


def with_polars(source, target):
    import polars

    def convert(file):
        polars.scan_csv(file, try_parse_dates=True).sink_parquet(target / f"{file.stem}.parquet", compression="zstd")

    return convert


def main():
    engine, source, target = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    target.mkdir(parents=True)
    convert = {"duckdb": with_duckdb, "polars": with_polars}[engine](source, target)
    start = time.perf_counter()
    for file in sorted(source.glob("*.csv")):
        convert(file)
    print(time.perf_counter() - start)


main()
