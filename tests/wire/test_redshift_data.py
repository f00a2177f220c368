"""Redshift Data: the life of a statement, its values, its parameters, its pages, and what is refused."""

import csv
import datetime
import io

import botocore.exceptions
import pytest

CONNECTION = {"WorkgroupName": "concert", "Database": "dev"}
NUMBERS = """
    with d as (select 0 as n union all select 1 union all select 2 union all select 3 union all select 4
               union all select 5 union all select 6 union all select 7 union all select 8 union all select 9)
    select a.n + 10 * b.n + 100 * c.n + 1000 * e.n as n
    from d a, d b, d c, d e where e.n < 3 order by 1
"""


def refused(call, code):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    return error["Message"]


def test_a_statement_lives_from_submitted_to_finished(redshift):
    executed = redshift.execute_statement(**CONNECTION, Sql="select 1 as one", StatementName="first of its kind")
    assert executed["WorkgroupName"] == "concert" and executed["Database"] == "dev"
    age = datetime.datetime.now(datetime.timezone.utc) - executed["CreatedAt"]
    assert abs(age) < datetime.timedelta(minutes=5)
    described = redshift.describe_statement(Id=executed["Id"], WaitTimeSeconds=30)
    assert described["Status"] == "FINISHED"
    assert described["HasResultSet"] is True
    assert described["ResultRows"] == 1
    assert described["QueryString"] == "select 1 as one"
    assert described["Duration"] > 0
    assert "Error" not in described
    listed = redshift.list_statements(StatementName="first of its", Status="FINISHED")["Statements"]
    assert [statement["Id"] for statement in listed] == [executed["Id"]]


def test_waiting_answers_with_the_status(redshift):
    executed = redshift.execute_statement(**CONNECTION, Sql="select 1", WaitTimeSeconds=30)
    assert executed["Status"] == "FINISHED" and executed["HasResultSet"] is True
    assert "Status" not in redshift.execute_statement(**CONNECTION, Sql="select 1")
    result = redshift.execute_statement(**CONNECTION, Sql="select 2")
    assert redshift.get_statement_result(Id=result["Id"], WaitTimeSeconds=30)["Records"] == [[{"longValue": 2}]]


def test_values_have_redshifts_types(redshift, run):
    described = run("""
        select c.concert_id, c.event_date, c.total_attendance, c.revenue, c.revenue::float8 as approximately,
               c.total_attendance > 800 as large, timestamp '1999-03-04 20:30:00' as at, count(*)
        from concert_dw.concerts c where c.concert_id in ('c2', 'c4')
        group by 1, 2, 3, 4, 5, 6, 7 order by 1
    """)
    assert described["Status"] == "FINISHED", described
    result = redshift.get_statement_result(Id=described["Id"])
    assert result["TotalNumRows"] == 2 and "NextToken" not in result
    assert result["Records"] == [
        [
            {"stringValue": "c2"},
            {"stringValue": "1999-03-04"},
            {"longValue": 850},
            {"stringValue": "4250.50"},
            {"doubleValue": 4250.5},
            {"booleanValue": True},
            {"stringValue": "1999-03-04 20:30:00"},
            {"longValue": 1},
        ],
        [
            {"stringValue": "c4"},
            {"stringValue": "1999-11-20"},
            {"longValue": 400},
            {"isNull": True},
            {"isNull": True},
            {"booleanValue": False},
            {"stringValue": "1999-03-04 20:30:00"},
            {"longValue": 1},
        ],
    ]
    columns = [(c["label"], c["typeName"], c["precision"], c["scale"]) for c in result["ColumnMetadata"]]
    assert columns == [
        ("concert_id", "varchar", 65535, 0),
        ("event_date", "date", 13, 0),
        ("total_attendance", "int4", 10, 0),
        ("revenue", "numeric", 14, 2),
        ("approximately", "float8", 17, 17),
        ("large", "bool", 1, 0),
        ("at", "timestamp", 29, 6),
        ("count", "int8", 19, 0),
    ]
    first = result["ColumnMetadata"][0]
    assert (first["schemaName"], first["tableName"]) == ("concert_dw", "concerts")


def test_the_dialect_is_redshifts(rows):
    assert rows("select 7 / 2, date_part(year, date '1999-03-04'), nvl(null, 'x')") == [[3, 1999.0, "x"]]
    assert rows("select datediff(day, '1999-12-31', '2000-01-02'), dateadd(month, 1, date '1999-01-31')") == [
        [2, "1999-02-28 00:00:00"]
    ]
    assert rows("select avg(total_attendance) from concert_dw.concerts where event_date < '2000-01-01'") == [[737]]
    assert rows("select total_attendance from concert_dw.concerts order by 1 desc limit 3") == [[None], [None], [1000]]


def test_parameters_are_values_whatever_they_hold(rows):
    by_name = "select artist_id from concert_dw.artists where name = :name"
    assert rows(by_name, {"name": "O'Connor & the \"Quotes\""}) == [["a3"]]
    for hostile in [
        "x' or '1'='1",
        "'; drop table concert_dw.artists; --",
        "\\' or 1=1 --",
        ":name",
        "$1",
        "/* */ union select 'a1' --",
        "a\nb\t\x00é€😀",
    ]:
        assert rows(by_name, {"name": hostile}) == []
        assert rows("select :name, ':name', 'it''s' -- :name", {"name": hostile}) == [[hostile, ":name", "it's"]]
    assert rows("select count(*) from concert_dw.artists") == [[3]]


def test_parameters_are_cast_by_the_statement(rows):
    sql = """
        select concert_id from concert_dw.concerts
        where event_date between cast(:first as date) and :last::date and total_attendance >= cast(:least as int)
        order by 1
    """
    assert rows(sql, {"first": "1999-01-01", "last": "1999-12-31", "least": "500"}) == [["c2"], ["c3"]]
    # Without a cast a parameter is read by its neighbour, as a literal is.
    assert rows("select count(*) from concert_dw.concerts where total_attendance > :n", {"n": "800"}) == [[2]]


@pytest.mark.parametrize(
    ("sql", "parameters", "message"),
    [
        ("select :a", None, "Undefined parameters: [a]"),
        ("select 1", {"a": "1"}, "Unused parameters: [a]"),
        ("select ':a'", {"a": "1"}, "Unused parameters: [a]"),
        ("select :a", {"A": "1"}, "Undefined parameters: [a]"),
    ],
)
def test_parameters_that_do_not_match_are_refused(redshift, sql, parameters, message):
    request = {**CONNECTION, "Sql": sql}
    if parameters:
        request["Parameters"] = [{"name": name, "value": value} for name, value in parameters.items()]
    assert message in refused(lambda: redshift.execute_statement(**request), "ValidationException")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("selec 1", "selec"),
        ("select * from concert_dw.nothing", 'relation "concert_dw.nothing" does not exist'),
        ("select 1; select 2", "one statement"),
        ("drop table concert_dw.artists", "published by the platform and read-only"),
        ("insert into concert_dw.artists select * from concert_dw.artists", "published by the platform and read-only"),
        ("create table concert_dw.mine (a int)", "published by the platform and read-only"),
        ("select 1 / 0", "zero"),
        ("select 'x'::int", "x"),
        ("select total_attendance + name from concert_dw.concerts, concert_dw.artists", "cannot cast"),
    ],
)
def test_a_statement_that_fails_says_why(redshift, run, sql, message):
    described = run(sql)
    assert described["Status"] == "FAILED"
    assert described["HasResultSet"] is False
    assert described["Error"].startswith("ERROR: ") and message.lower() in described["Error"].lower()
    refused(lambda: redshift.get_statement_result(Id=described["Id"]), "ResourceNotFoundException")


def test_large_results_come_in_pages(redshift, run):
    described = run(NUMBERS)
    assert (described["Status"], described["ResultRows"]) == ("FINISHED", 3000)
    pages = list(redshift.get_paginator("get_statement_result").paginate(Id=described["Id"]))
    assert [len(page["Records"]) for page in pages] == [1000, 1000, 1000]
    assert all(page["TotalNumRows"] == 3000 for page in pages)
    assert "NextToken" not in pages[-1]
    assert [record[0]["longValue"] for page in pages for record in page["Records"]] == list(range(3000))
    # A token belongs to its statement, and cannot be made up.
    token = redshift.get_statement_result(Id=described["Id"])["NextToken"]
    other = run(NUMBERS)["Id"]
    for id, wrong in [(other, token), (described["Id"], "31"), (described["Id"], token[:-1] + "9")]:
        call = lambda: redshift.get_statement_result(Id=id, NextToken=wrong)  # noqa: B023, E731
        assert "NextToken" in refused(call, "ValidationException")


def test_wide_rows_make_shorter_pages(redshift, run):
    described = run(f"select repeat('x', 10000) from ({NUMBERS}) limit 500")
    pages = list(redshift.get_paginator("get_statement_result").paginate(Id=described["Id"]))
    assert len(pages) > 1 and sum(len(page["Records"]) for page in pages) == 500


def test_a_running_statement_can_be_cancelled(redshift):
    # A product of 10^12 rows does not end by itself in the time of a test.
    crowd = ", ".join(f"n n{i}" for i in range(4))
    sql = f"with n as ({NUMBERS}) select count(*) from {crowd} where n0.n + n1.n + n2.n + n3.n = 7"
    executed = redshift.execute_statement(**CONNECTION, Sql=sql)
    assert redshift.cancel_statement(Id=executed["Id"])["Status"] is True
    described = redshift.describe_statement(Id=executed["Id"], WaitTimeSeconds=30)
    assert described["Status"] == "ABORTED"
    refused(lambda: redshift.get_statement_result(Id=executed["Id"]), "ResourceNotFoundException")
    refused(lambda: redshift.cancel_statement(Id=executed["Id"]), "ValidationException")


def test_a_client_token_makes_one_statement(redshift):
    request = {**CONNECTION, "Sql": "select 1", "ClientToken": "only-once"}
    first = redshift.execute_statement(**request)["Id"]
    assert redshift.execute_statement(**request)["Id"] == first
    message = refused(lambda: redshift.execute_statement(**{**request, "Sql": "select 2"}), "ValidationException")
    assert "ClientToken" in message
    assert redshift.execute_statement(**{**request, "ClientToken": "another"})["Id"] != first


def test_tables_are_listed_and_described(redshift):
    assert "dev" in redshift.list_databases(**CONNECTION)["Databases"]
    schemas = redshift.list_schemas(**CONNECTION)["Schemas"]
    assert {"concert_dw", "information_schema", "pg_catalog", "public"} <= set(schemas)
    assert redshift.list_schemas(**CONNECTION, SchemaPattern="concert%")["Schemas"] == ["concert_dw"]
    tables = redshift.list_tables(**CONNECTION, SchemaPattern="concert_dw", TablePattern="concert%")["Tables"]
    assert {"name": "concerts", "schema": "concert_dw", "type": "TABLE"} in tables
    assert all(table["name"].startswith("concert") for table in tables)
    pages = list(
        redshift.get_paginator("list_tables").paginate(**CONNECTION, PaginationConfig={"PageSize": 3})
    )
    assert len(pages) > 2 and all(len(page["Tables"]) <= 3 for page in pages)
    described = redshift.describe_table(**CONNECTION, Schema="concert_dw", Table="concerts")
    types = {column["name"]: column["typeName"] for column in described["ColumnList"]}
    assert described["TableName"] == "concerts"
    assert types["concert_id"] == "varchar"
    assert types["event_date"] == "date"
    assert types["total_attendance"] == "int4"
    assert types["revenue"] == "numeric"
    call = lambda: redshift.describe_table(**CONNECTION, Table="nothing")  # noqa: E731
    assert "nothing" in refused(call, "ResourceNotFoundException")


def test_requests_that_cannot_be_are_refused(redshift):
    missing = "00000000-0000-0000-0000-000000000000"
    message = refused(lambda: redshift.describe_statement(Id=missing), "ResourceNotFoundException")
    assert message == "Query does not exist."
    for request, part in [
        ({"Sql": "select 1", "Database": "dev"}, "WorkgroupName"),
        ({"Sql": "select 1", "Database": "dev", "WorkgroupName": "other"}, "doesn't exist in this region"),
        ({"Sql": "select 1", "Database": "dev", "ClusterIdentifier": "other"}, "doesn't exist in this region"),
        ({"Sql": "select 1", "WorkgroupName": "concert"}, "database"),
        ({**CONNECTION, "Sql": " "}, "empty"),
        ({**CONNECTION, "Sql": "select 1", "ResultFormat": "XML"}, "enum value set"),
        ({**CONNECTION, "Sql": "select 1", "DbUser": "ann", "SecretArn": "arn:aws:secret"}, "not both"),
        ({**CONNECTION, "Sql": "select 1", "SessionKeepAliveSeconds": 86401}, "between 0 and 86400"),
        ({**CONNECTION, "Sql": "select 1", "SessionId": "x" * 36}, "regex pattern"),
        ({"Sql": "select 1", "WorkgroupName": "concert", "Database": "No Such"}, 'database "No Such" does not exist'),
        ({**CONNECTION, "Sql": "select 1", "WaitTimeSeconds": 31}, "between 1 and 30"),
    ]:
        call = lambda: redshift.execute_statement(**request)  # noqa: B023, E731
        assert part in refused(call, "ValidationException")


def batch(redshift, sqls, **more):
    executed = redshift.batch_execute_statement(**{**CONNECTION, "Database": "wire", **more}, Sqls=sqls, WaitTimeSeconds=30)
    return redshift.describe_statement(Id=executed["Id"])


def records(redshift, id):
    pages = redshift.get_paginator("get_statement_result").paginate(Id=id)
    return [[next(iter(field.values())) for field in record] for page in pages for record in page["Records"]]


@pytest.fixture
def other(redshift):
    """Runs a statement in a database of its own and gives its rows, or how many it changed."""

    def run(sql, parameters=None, **more):
        request = {"WorkgroupName": "concert", "Database": "wire", "Sql": sql, "WaitTimeSeconds": 30, **more}
        if more.get("SessionId"):
            del request["WorkgroupName"], request["Database"]
        if parameters:
            request["Parameters"] = [{"name": name, "value": value} for name, value in parameters.items()]
        executed = redshift.execute_statement(**request)
        described = redshift.describe_statement(Id=executed["Id"])
        assert described["Status"] == "FINISHED", described.get("Error")
        return records(redshift, executed["Id"]) if described["HasResultSet"] else described["ResultRows"]

    return run


def test_a_batch_is_one_transaction(redshift, other):
    other("create table if not exists batched (a int)")
    other("delete from batched")
    described = batch(
        redshift,
        ["insert into batched values (:a)", "insert into batched values (2), (3)", "select a from batched order by a"],
        Parameters=[{"name": "a", "value": "1"}],
        StatementName="a batch",
    )
    assert (described["Status"], described["HasResultSet"], described["ExecutionMode"]) == ("FINISHED", True, "TRANSACTION")
    subs = described["SubStatements"]
    assert [sub["Id"] for sub in subs] == [f"{described['Id']}:{n}" for n in (1, 2, 3)]
    assert [(sub["Status"], sub["HasResultSet"], sub["ResultRows"]) for sub in subs] == [
        ("FINISHED", False, 1),
        ("FINISHED", False, 2),
        ("FINISHED", True, 3),
    ]
    assert records(redshift, subs[2]["Id"]) == [[1], [2], [3]]
    third = redshift.describe_statement(Id=subs[2]["Id"])
    assert third["QueryString"] == "select a from batched order by a" and third["Status"] == "FINISHED"
    listed = redshift.list_statements(StatementName="a batch")["Statements"][0]
    assert listed["IsBatchStatement"] is True and len(listed["QueryStrings"]) == 3
    refused(lambda: redshift.get_statement_result(Id=described["Id"]), "ValidationException")
    refused(lambda: redshift.get_statement_result(Id=subs[0]["Id"]), "ResourceNotFoundException")
    refused(lambda: redshift.describe_statement(Id=f"{described['Id']}:4"), "ResourceNotFoundException")

    failed = batch(redshift, ["insert into batched values (9)", "select nothing", "insert into batched values (10)"])
    assert failed["Status"] == "FAILED"
    assert failed["Error"].startswith("Query #2 failed with ERROR: ")
    assert [sub["Status"] for sub in failed["SubStatements"]] == ["FINISHED", "FAILED", "ABORTED"]
    assert other("select count(*) from batched") == [[3]]

    each = batch(
        redshift,
        ["insert into batched values (9)", "select nothing", "insert into batched values (10)"],
        ExecutionMode="AUTO_COMMIT",
    )
    assert each["Status"] == "FAILED"
    assert [sub["Status"] for sub in each["SubStatements"]] == ["FINISHED", "FAILED", "FINISHED"]
    assert other("select count(*) from batched") == [[5]]


def test_batches_that_cannot_be_are_refused(redshift):
    for request, part in [
        ({"Sqls": ["select 1"] * 41}, "less than or equal to 40"),
        ({"Sqls": ["select 1", " "]}, "empty"),
        ({"Sqls": ["select 1"], "Parameters": [{"name": "a", "value": "1"}]}, "Unused parameters: [a]"),
        ({"Sqls": ["select 1", "select :b"]}, "Undefined parameters: [b]"),
        ({"Sqls": ["select 1"], "ExecutionMode": "NEITHER"}, "enum value set"),
    ]:
        call = lambda: redshift.batch_execute_statement(**CONNECTION, **request)  # noqa: B023, E731
        assert part in refused(call, "ValidationException")


def test_results_come_as_csv_where_that_is_asked_for(redshift):
    executed = redshift.execute_statement(
        **CONNECTION,
        Sql=f"select n, 'a \"b\", c' as t, '' as e, null as x from ({NUMBERS}) where n < 1500 order by n",
        ResultFormat="CSV",
        WaitTimeSeconds=30,
    )
    assert redshift.describe_statement(Id=executed["Id"])["ResultFormat"] == "CSV"
    pages = list(redshift.get_paginator("get_statement_result_v2").paginate(Id=executed["Id"]))
    text = "".join(record["CSVRecords"] for page in pages for record in page["Records"])
    found = list(csv.reader(io.StringIO(text)))
    assert found[0] == ["n", "t", "e", "x"]
    assert found[1:] == [[str(n), 'a "b", c', "", ""] for n in range(1500)]
    assert len(pages) == 2 and pages[0]["ResultFormat"] == "CSV" and pages[0]["TotalNumRows"] == 1500
    assert [column["label"] for column in pages[0]["ColumnMetadata"]] == ["n", "t", "e", "x"]
    assert "GetStatementResultV2" in refused(lambda: redshift.get_statement_result(Id=executed["Id"]), "ValidationException")
    json_one = redshift.execute_statement(**CONNECTION, Sql="select 1", WaitTimeSeconds=30)
    refused(lambda: redshift.get_statement_result_v2(Id=json_one["Id"]), "ValidationException")


def test_a_session_keeps_its_transaction_and_its_tables(redshift, other):
    begun = redshift.execute_statement(
        WorkgroupName="concert", Database="wire", Sql="create temp table mine (a int)", SessionKeepAliveSeconds=60, WaitTimeSeconds=30
    )
    session = begun["SessionId"]
    other("insert into mine values (1), (2)", SessionId=session)
    assert other("select sum(a) from mine", SessionId=session) == [[3]]
    other("create table if not exists kept (a int)")
    before = other("select count(*) from kept")
    other("begin", SessionId=session)
    other("insert into kept values (1)", SessionId=session)
    assert other("select count(*) from kept") == before
    other("rollback", SessionId=session)
    assert other("select count(*) from kept") == before
    listed = redshift.list_sessions(SessionId=session)["Sessions"]
    assert [(one["SessionId"], one["Status"], one["Database"]) for one in listed] == [(session, "AVAILABLE", "wire")]
    assert session in [one["SessionId"] for one in redshift.list_sessions(Database="wire")["Sessions"]]
    slow = redshift.execute_statement(Sql=endless(), SessionId=session)
    busy = redshift.list_sessions(SessionId=session)["Sessions"][0]
    assert (busy["Status"], busy["CurrentStatementId"]) == ("BUSY", slow["Id"])
    message = refused(lambda: redshift.execute_statement(Sql="select 1", SessionId=session), "ValidationException")
    assert "busy" in message
    redshift.cancel_statement(Id=slow["Id"])
    assert other("select sum(a) from mine", SessionId=session) == [[3]]
    call = lambda: redshift.execute_statement(Sql="select 1", SessionId=session, Database="dev")  # noqa: E731
    assert "own connection" in refused(call, "ValidationException")
    # Not kept any longer than this statement.
    other("select 1", SessionId=session, SessionKeepAliveSeconds=0)
    assert redshift.list_sessions(SessionId=session)["Sessions"][0]["Status"] == "CLOSED"
    assert session in [one["SessionId"] for one in redshift.list_sessions(Status="CLOSED")["Sessions"]]
    assert "closed" in refused(lambda: redshift.execute_statement(Sql="select 1", SessionId=session), "ValidationException")
    missing = "00000000-0000-0000-0000-000000000000"
    refused(lambda: redshift.execute_statement(Sql="select 1", SessionId=missing), "ResourceNotFoundException")
    refused(lambda: redshift.list_sessions(SessionId=missing), "ResourceNotFoundException")
    refused(lambda: redshift.list_sessions(SessionId=session, Status="BUSY"), "ValidationException")


def endless():
    crowd = ", ".join(f"n n{i}" for i in range(4))
    return f"with n as ({NUMBERS}) select count(*) from {crowd} where n0.n + n1.n + n2.n + n3.n = 7"


def test_statements_are_listed_by_state_name_and_place(redshift, other):
    redshift.execute_statement(**CONNECTION, Sql="select 1", StatementName="listed one", WaitTimeSeconds=30)
    redshift.execute_statement(**CONNECTION, Sql="select nothing", StatementName="listed two", WaitTimeSeconds=30)
    other("select 3", StatementName="listed three")
    names = lambda **filters: {  # noqa: E731
        one["StatementName"] for one in redshift.list_statements(StatementName="listed", **filters)["Statements"]
    }
    assert names() == {"listed one", "listed three"}
    assert names(Status="ALL") == {"listed one", "listed two", "listed three"}
    assert names(Status="FAILED") == {"listed two"}
    assert names(WorkgroupName="concert", Database="wire") == {"listed three"}
    assert names(RoleLevel=False) == {"listed one", "listed three"}
    pages = redshift.get_paginator("list_statements").paginate(
        StatementName="listed", Status="ALL", PaginationConfig={"PageSize": 2}
    )
    assert [len(page["Statements"]) for page in pages] == [2, 1]
    call = lambda: redshift.list_statements(WorkgroupName="concert", ClusterIdentifier="concert")  # noqa: E731
    refused(call, "ValidationException")
    refused(lambda: redshift.list_statements(MaxResults=101), "ValidationException")


def test_a_table_is_described_as_it_was_declared(redshift, other):
    other("drop table if exists declared cascade")
    other("create table declared (id int identity(1, 1), city varchar(30) default 'Oslo' not null, code char(2), price decimal(8,2))")
    other("create view declared_view as select city, code from declared")
    place = {"WorkgroupName": "concert", "Database": "wire", "Schema": "public"}
    columns = redshift.describe_table(**place, Table="declared")["ColumnList"]
    assert [(c["name"], c["typeName"], c["precision"], c["scale"], c["nullable"]) for c in columns] == [
        ("id", "int4", 10, 0, 0),
        ("city", "varchar", 30, 0, 0),
        ("code", "bpchar", 2, 0, 1),
        ("price", "numeric", 8, 2, 1),
    ]
    assert columns[1]["columnDefault"] == "'Oslo'" and columns[0]["tableName"] == "declared"
    pages = list(redshift.get_paginator("describe_table").paginate(**place, Table="declared", PaginationConfig={"PageSize": 3}))
    assert [len(page["ColumnList"]) for page in pages] == [3, 1]
    listed = redshift.list_tables(WorkgroupName="concert", Database="wire", SchemaPattern="public", TablePattern="declared%")["Tables"]
    assert listed == [
        {"name": "declared", "schema": "public", "type": "TABLE"},
        {"name": "declared_view", "schema": "public", "type": "VIEW"},
    ]
    assert "wire" in redshift.list_databases(**CONNECTION)["Databases"]
    result = redshift.execute_statement(WorkgroupName="concert", Database="wire", Sql="select d.code as c from declared d", WaitTimeSeconds=30)
    (column,) = redshift.get_statement_result(Id=result["Id"])["ColumnMetadata"]
    assert (column["typeName"], column["precision"], column["tableName"]) == ("bpchar", 2, "declared")


def test_files_of_a_bucket_are_copied_and_unloaded(start, client, tmp_path):
    home = tmp_path / "home"
    bucket = home / "s3" / "tour"
    bucket.mkdir(parents=True)
    (bucket / "shows.csv").write_text('id,city,day\n1,"Oslo, N",2020-02-29\n2,Rome,soon\n3,Bonn,2021-01-01\n')
    redshift = client("redshift-data", url=start(home=home).url)

    def run(sql):
        place = {"WorkgroupName": "concert", "Database": "tour"}
        executed = redshift.execute_statement(**place, Sql=sql, WaitTimeSeconds=30)
        described = redshift.describe_statement(Id=executed["Id"])
        if described["Status"] == "FAILED":
            return described["Error"]
        return records(redshift, executed["Id"]) if described["HasResultSet"] else described["ResultRows"]

    run("create table shows (id int, city varchar(20), day date)")
    load = "copy shows from 's3://tour/shows.csv' iam_role default csv ignoreheader 1"
    assert "Check 'stl_load_errors'" in run(load)
    assert run("select colname, line_number, trim(raw_field_value) from stl_load_errors") == [["day", 3, "soon"]]
    assert run(load + " maxerror 5") == 2
    assert run("select city from shows order by id") == [["Oslo, N"], ["Bonn"]]
    unload = "unload ('select id, city from shows order by id') to 's3://tour/out/part_' iam_role default csv header parallel off"
    assert run(unload) == 2
    assert (bucket / "out" / "part_000").read_text() == 'id,city\n1,"Oslo, N"\n3,Bonn\n'
    assert "not empty" in run(unload)
    assert run(unload + " allowoverwrite") == 2
    assert "The specified S3 prefix 'nothing' does not exist" in run("copy shows from 's3://tour/nothing' iam_role default")


def test_a_home_keeps_statements_results_and_tables(start, client, tmp_path):
    server = start(home=tmp_path)
    redshift = client("redshift-data", url=server.url)
    place = {"WorkgroupName": "concert", "Database": "kept"}
    run = lambda sql, **more: redshift.execute_statement(**place, Sql=sql, WaitTimeSeconds=30, **more)["Id"]  # noqa: E731
    run("create table t (a int)")
    run("insert into t values (1), (2)")
    done = run(f"select n from ({NUMBERS}) order by n", ClientToken="the-same")
    token = redshift.get_statement_result(Id=done)["NextToken"]
    session = redshift.execute_statement(**place, Sql="begin", SessionKeepAliveSeconds=600, WaitTimeSeconds=30)["SessionId"]
    redshift.execute_statement(Sql="insert into t values (3)", SessionId=session, WaitTimeSeconds=30)
    slow = redshift.execute_statement(**place, Sql=endless())["Id"]
    server.kill()
    server.restart()
    redshift = client("redshift-data", url=server.url)
    described = redshift.describe_statement(Id=done)
    assert (described["Status"], described["ResultRows"]) == ("FINISHED", 3000)
    assert redshift.get_statement_result(Id=done, NextToken=token)["Records"][0] == [{"longValue": 1000}]
    # The same request is still the same statement.
    assert run(f"select n from ({NUMBERS}) order by n", ClientToken="the-same") == done
    stopped = redshift.describe_statement(Id=slow)
    assert stopped["Status"] == "FAILED" and "the server stopped" in stopped["Error"]
    assert records(redshift, run("select sum(a) from t")) == [[3]]
    assert redshift.list_sessions(SessionId=session)["Sessions"][0]["Status"] == "CLOSED"
