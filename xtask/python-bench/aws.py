"""Measures a running local AWS endpoint through boto3, and twenty analytical queries against DuckDB on the same Parquet
files. Prints one JSON document.

    aws.py ENDPOINT HOME

The files are those of the published versions, as the Delta log names them: a folder of Parquet also holds what older
versions left behind.
"""

import json
import math
import pathlib
import statistics
import sys
import time

import boto3
import botocore.config
import deltalake
import duckdb

SELECTS = 50
STREAMS = 20
RUNS = 5

QUERIES = {
    "rows": "select count(*) from concert_dw.ticket_sales",
    "tickets and revenue by currency": """
        select currency, sum(quantity), sum(quantity * unit_price) from concert_dw.ticket_sales group by 1""",
    "tickets by channel": "select channel, sum(quantity), count(*) from concert_dw.ticket_sales group by 1",
    "tickets by month": """
        select cast(date_trunc('month', purchase_timestamp) as date) as month, sum(quantity)
        from concert_dw.ticket_sales group by 1""",
    "tier and channel": """
        select price_tier, channel, count(*), avg(cast(unit_price as double precision)), min(unit_price), max(unit_price)
        from concert_dw.ticket_sales group by 1, 2""",
    "ten concerts with most tickets": """
        select concert_id, sum(quantity) as tickets from concert_dw.ticket_sales group by 1 order by 2 desc, 1 limit 10""",
    "revenue by city": """
        select v.city, v.country, s.currency, sum(s.quantity * s.unit_price) as revenue
        from concert_dw.ticket_sales s join concert_dw.concerts c on c.concert_id = s.concert_id
        join concert_dw.venues v on v.venue_id = c.venue_id
        group by 1, 2, 3 order by 4 desc, 1, 2, 3 limit 20""",
    "ten artists with most revenue": """
        select a.name, a.artist_id, sum(s.quantity * s.unit_price) as revenue
        from concert_dw.ticket_sales s join concert_dw.concerts c on c.concert_id = s.concert_id
        join concert_dw.artists a on a.artist_id = c.artist_id
        where s.currency = 'USD' group by 1, 2 order by 3 desc, 2 limit 10""",
    "tickets by genre": """
        select g.genre, sum(s.quantity), count(distinct c.concert_id)
        from concert_dw.ticket_sales s join concert_dw.concerts c on c.concert_id = s.concert_id
        join concert_dw.artist_genres g on g.artist_id = c.artist_id group by 1""",
    "customers": "select count(distinct customer_id) from concert_dw.ticket_sales",
    "customers by month": """
        select cast(date_trunc('month', purchase_timestamp) as date) as month, count(distinct customer_id)
        from concert_dw.ticket_sales group by 1""",
    "one quarter of one segment": """
        select channel, count(*), sum(quantity) from concert_dw.ticket_sales
        where customer_segment is not null and purchase_timestamp >= timestamp '2025-04-01 00:00:00'
        and purchase_timestamp < timestamp '2025-07-01 00:00:00' group by 1""",
    "running total by month": """
        select month, tickets, sum(tickets) over (order by month rows unbounded preceding) from (
            select cast(date_trunc('month', purchase_timestamp) as date) as month, sum(quantity) as tickets
            from concert_dw.ticket_sales group by 1) as months""",
    "best venue of each state": """
        select state, name, venue_id, tickets from (
            select v.state, v.name, v.venue_id, sum(s.quantity) as tickets,
                   row_number() over (partition by v.state order by sum(s.quantity) desc, v.venue_id) as place
            from concert_dw.ticket_sales s join concert_dw.concerts c on c.concert_id = s.concert_id
            join concert_dw.venues v on v.venue_id = c.venue_id group by 1, 2, 3) as ranked
        where place = 1""",
    "hours of the day": """
        select cast(extract(hour from purchase_timestamp) as integer) as hour, count(*)
        from concert_dw.ticket_sales group by 1""",
    "customers who came back": """
        select purchases, count(*) from (
            select customer_id, count(*) as purchases from concert_dw.ticket_sales
            where customer_id is not null group by 1) as customers
        where purchases >= 3 group by 1""",
    "days before the concert": """
        select case when c.event_date - cast(s.purchase_timestamp as date) < 7 then 'week'
                    when c.event_date - cast(s.purchase_timestamp as date) < 30 then 'month' else 'earlier' end as lead,
               sum(s.quantity)
        from concert_dw.ticket_sales s join concert_dw.concerts c on c.concert_id = s.concert_id group by 1""",
    "attendance by type of venue": """
        select v.venue_type, count(*), sum(c.total_attendance), sum(v.capacity)
        from concert_dw.concerts c join concert_dw.venues v on v.venue_id = c.venue_id
        where c.total_attendance is not null and v.capacity is not null group by 1""",
    "year over year": """
        with years as (select cast(extract(year from purchase_timestamp) as integer) as year, channel,
                              sum(quantity) as tickets
                       from concert_dw.ticket_sales group by 1, 2)
        select year, channel, tickets, lag(tickets) over (partition by channel order by year) from years""",
    "median price by tier": """
        select price_tier, percentile_cont(0.5) within group (order by cast(unit_price as double precision))
        from concert_dw.ticket_sales group by 1""",
}


def client(endpoint, service):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="concert",
        aws_secret_access_key="concert-local-secret",
        config=botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=300, proxies={}),
    )


def timed(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def ask(redshift, sql):
    """All rows of a statement, by as few requests as AWS's API allows."""
    executed = redshift.execute_statement(WorkgroupName="concert", Database="dev", Sql=sql, WaitTimeSeconds=30)
    described = executed
    while described["Status"] not in ("FINISHED", "FAILED", "ABORTED"):
        described = redshift.describe_statement(Id=executed["Id"], WaitTimeSeconds=30)
    if described["Status"] != "FINISHED":
        described = redshift.describe_statement(Id=executed["Id"])
        raise SystemExit(f"the endpoint cannot answer: {described.get('Error')}\n{sql}")
    pages = redshift.get_paginator("get_statement_result").paginate(Id=executed["Id"])
    return [[next(iter(field.values())) if "isNull" not in field else None for field in row] for p in pages for row in p["Records"]]


def plain(rows):
    """Rows as both sides would write them, in one order. Decimals have other scales there: six digits are compared."""

    def cell(value):
        if value is None or isinstance(value, bool):
            return str(value)
        try:
            return f"{float(value):.6g}"
        except (TypeError, ValueError):
            return str(value)

    return sorted([cell(value) for value in row] for row in rows)


def peer(home):
    """DuckDB over the files of the published versions."""
    lake = pathlib.Path(home) / "lake"
    connection = duckdb.connect()
    connection.execute("create schema concert_dw")
    for table, version in json.loads((lake / "concert_dw.json").read_text())["tables"].items():
        files = deltalake.DeltaTable(str(lake / "concert_dw" / table), version=version).file_uris()
        if files:
            connection.execute(f"create view concert_dw.{table} as select * from read_parquet({files!r})")
    return connection


def main(endpoint, home):
    redshift, bedrock = client(endpoint, "redshift-data"), client(endpoint, "bedrock-runtime")
    duck = peer(home)
    ask(redshift, "select 1")
    selects = [timed(lambda: ask(redshift, "select 1"))[0] for _ in range(SELECTS)]

    def first_token():
        messages = [{"role": "user", "content": [{"text": "who are you"}]}]
        stream = bedrock.converse_stream(modelId="local.planner", messages=messages)["stream"]
        start_to_token = next(time.perf_counter() for event in stream if "contentBlockDelta" in event)
        stream.close()
        return start_to_token

    first_token()
    tokens = []
    for _ in range(STREAMS):
        start = time.perf_counter()
        tokens.append(first_token() - start)

    queries = []
    for name, sql in QUERIES.items():
        ours, theirs = [], []
        # Once each to warm both, and to compare what they say.
        here, there = ask(redshift, sql), duck.execute(sql).fetchall()
        if plain(here) != plain(there):
            raise SystemExit(f"{name}: the answers differ\nours: {plain(here)[:3]}\nDuckDB's: {plain(there)[:3]}")
        for _ in range(RUNS):
            ours.append(timed(lambda: ask(redshift, sql))[0])
            theirs.append(timed(lambda: duck.execute(sql).fetchall())[0])
        ours, theirs = statistics.median(ours), statistics.median(theirs)
        queries.append({"name": name, "ours_s": ours, "duckdb_s": theirs, "ratio": ours / theirs, "rows": len(here)})
    worst = max(queries, key=lambda query: query["ratio"])
    plan = ask(redshift, "explain " + QUERIES[worst["name"]])
    print(
        json.dumps(
            {
                "sales": ask(redshift, QUERIES["rows"])[0][0],
                "select_1_s": statistics.median(selects),
                "first_token_s": statistics.median(tokens),
                "queries": queries,
                "geometric_mean": math.exp(statistics.fmean(math.log(query["ratio"]) for query in queries)),
                "worst": worst["name"],
                "worst_plan": "\n".join(" ".join(str(cell) for cell in row) for row in plan),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
