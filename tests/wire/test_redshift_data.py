"""Redshift Data: the life of a statement, its values, its parameters, its pages, and what is refused."""

import datetime
import json

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
        ("drop table concert_dw.artists", "DROP TABLE is not accepted"),
        ("insert into concert_dw.artists select * from concert_dw.artists", "INSERT is not accepted"),
        ("select 1 / 0", "zero"),
        ("select 'x'::int", "x"),
        ("select total_attendance + name from concert_dw.concerts, concert_dw.artists", "cannot coerce"),
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
    assert redshift.list_databases(**CONNECTION)["Databases"] == ["dev"]
    assert redshift.list_schemas(**CONNECTION)["Schemas"] == ["concert_dw"]
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
        ({**CONNECTION, "Sql": "select 1", "ResultFormat": "CSV"}, "CSV"),
        ({**CONNECTION, "Sql": "select 1", "WaitTimeSeconds": 31}, "between 1 and 30"),
    ]:
        call = lambda: redshift.execute_statement(**request)  # noqa: B023, E731
        assert part in refused(call, "ValidationException")
    executed = redshift.execute_statement(Sql="select 1", WorkgroupName="concert", Database="other", WaitTimeSeconds=30)
    assert executed["Status"] == "FAILED"
    assert redshift.describe_statement(Id=executed["Id"])["Error"] == 'FATAL: database "other" does not exist'


def test_an_operation_that_is_not_served_is_named(redshift):
    call = lambda: redshift.batch_execute_statement(**CONNECTION, Sqls=["select 1"])  # noqa: E731
    assert "ExecuteStatement" in refused(call, "UnknownOperationException")


def test_answers_keep_to_the_services_model(client):
    """Every member of every answer is one that the model names, of its type."""
    redshift = client("redshift-data")
    seen = []

    def check(http_response, parsed, model, **_):
        if http_response.status_code == 200:
            conforms(json.loads(http_response.content), model.output_shape, model.name)
            seen.append(model.name)

    redshift.meta.events.register("after-call.redshift-data.*", check)
    executed = redshift.execute_statement(
        **CONNECTION, Sql="select :a, 1, 1.5, null, true, 1.5::float8", Parameters=[{"name": "a", "value": "x"}], WaitTimeSeconds=30
    )
    redshift.describe_statement(Id=executed["Id"])
    redshift.get_statement_result(Id=executed["Id"])
    redshift.list_statements()
    redshift.list_databases(**CONNECTION)
    redshift.list_schemas(**CONNECTION)
    redshift.list_tables(**CONNECTION)
    redshift.describe_table(**CONNECTION, Table="concerts")
    assert len(set(seen)) == 8


def conforms(value, shape, path):
    kind = shape.type_name
    if kind == "structure":
        assert isinstance(value, dict), path
        unknown = set(value) - set(shape.members)
        assert not unknown, f"{path}: {unknown}"
        missing = set(shape.required_members) - set(value)
        assert not missing, f"{path}: {missing}"
        for name, member in value.items():
            conforms(member, shape.members[name], f"{path}.{name}")
        if getattr(shape, "is_tagged_union", False):
            assert len(value) == 1, path
    elif kind == "list":
        assert isinstance(value, list), path
        for i, member in enumerate(value):
            conforms(member, shape.member, f"{path}.{i}")
    elif kind == "string":
        assert isinstance(value, str), path
        if shape.enum:
            assert value in shape.enum, f"{path}: {value}"
    elif kind == "boolean":
        assert isinstance(value, bool), path
    elif kind in ("integer", "long"):
        assert isinstance(value, int) and not isinstance(value, bool), path
    elif kind in ("double", "float", "timestamp"):
        assert isinstance(value, (int, float)), path
    else:
        raise AssertionError(f"{path}: no rule for {kind}")
