use super::*;
use proptest::prelude::*;
use serde_json::json;

fn placeholders(names: Json, values: Json) -> Placeholders {
    let some = Some("x".to_owned());
    Placeholders::new(
        names.as_object(),
        values.as_object(),
        &[(Role::Update, &some), (Role::Condition, &some)],
    )
    .expect("the placeholders are fine")
}

/// What parsing a condition says; names `#n`, `#status`, values `:n` (1), `:s` ("a"), `:l` ([]), `:ss` ({"a"}).
fn said<T: std::fmt::Debug>(
    role: Role,
    text: &str,
    parse: fn(&mut Reader<'_, '_>) -> Result<T, ExpressionError>,
) -> String {
    let mut placeholders = placeholders(
        json!({"#n": "name", "#status": "status"}),
        json!({":n": {"N": "1"}, ":s": {"S": "a"}, ":l": {"L": []}, ":ss": {"SS": ["a"]}, ":b": {"BOOL": true}}),
    );
    match placeholders.parse(role, text, parse) {
        Ok(_) => "fine".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn conditions_are_read_or_refused_in_dynamodbs_words() {
    let invalid = |rest: &str| format!("Invalid ConditionExpression: {rest}");
    let syntax = |token: &str, near: &str| invalid(&format!("Syntax error; token: \"{token}\", near: \"{near}\""));
    for (text, wanted) in [
        ("a = :n", "fine".to_owned()),
        ("a=:n AND(b<>:s OR NOT c.d[3].#n <= :n)", "fine".to_owned()),
        ("(a) = (:n)", "fine".to_owned()),
        ("a between :n and :n or a in (:n, :s, b)", "fine".to_owned()),
        (
            "attribute_type(a, :s)",
            invalid("Invalid attribute type name found; type: a, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"),
        ),
        (
            "size(a) > :n and contains(a, :s) and begins_with(#n, :s)",
            "fine".to_owned(),
        ),
        ("", invalid("The expression can not be empty;")),
        ("   ", syntax("<EOF>", "   ")),
        ("a = ", syntax("<EOF>", "=")),
        ("a == :n", syntax("=", "= = :n".replace("= =", "==").as_str())),
        ("a = :n)", syntax(")", ":n)")),
        ("a ! :n", syntax("!", "a ! :n")),
        ("a", syntax("<EOF>", "a")),
        ("(a = :n) = :n", syntax("=", ") = :n")),
        ("((a = :n))", invalid("The expression has redundant parentheses;")),
        (
            "status = :s",
            invalid("Attribute name is a reserved keyword; reserved keyword: status"),
        ),
        (
            "#x = :s",
            invalid("An expression attribute name used in the document path is not defined; attribute name: #x"),
        ),
        (
            "a = :x",
            invalid("An expression attribute value used in expression is not defined; attribute value: :x"),
        ),
        ("foo(a)", invalid("Invalid function name; function: foo")),
        ("size(a)", syntax("<EOF>", ")")),
        (
            "attribute_exists(:s)",
            invalid("Operator or function requires a document path; operator or function: attribute_exists"),
        ),
        (
            "attribute_exists(a, b)",
            invalid(
                "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 2",
            ),
        ),
        (
            "begins_with(a, :n)",
            invalid(
                "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
            ),
        ),
        (
            "a < :b",
            invalid("Incorrect operand type for operator or function; operator or function: <, operand type: BOOL"),
        ),
        (
            "a = a",
            invalid(
                "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a]",
            ),
        ),
        (
            "a between :n and :s",
            invalid(
                "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:1}, upper bound operand: AttributeValue: {S:a}",
            ),
        ),
        (
            "if_not_exists(a, :n)",
            invalid("The function is not allowed in a condition expression; function: if_not_exists"),
        ),
    ] {
        assert_eq!(said(Role::Condition, text, condition::parse), wanted, "{text}");
    }
}

#[test]
fn updates_are_read_or_refused_in_dynamodbs_words() {
    let invalid = |rest: &str| format!("Invalid UpdateExpression: {rest}");
    for (text, wanted) in [
        (
            "SET a = :n, b.c[1] = if_not_exists(d, :n) + :n REMOVE e ADD f :n DELETE g :ss",
            "fine".to_owned(),
        ),
        ("set a = list_append(if_not_exists(a, :l), :l)", "fine".to_owned()),
        ("SET a = (b - :n)", "fine".to_owned()),
        ("a = :n", invalid("Syntax error; token: \"a\", near: \"a =\"")),
        (
            "SET a = :n SET b = :n",
            invalid("The \"SET\" section can only be used once in an update expression;"),
        ),
        (
            "SET a = :n, a.b = :n",
            invalid(
                "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a, b]",
            ),
        ),
        (
            "SET a.b = :n REMOVE a[0]",
            invalid(
                "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, b], path two: [a, [0]]",
            ),
        ),
        (
            "ADD a :s",
            invalid(
                "Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND",
            ),
        ),
        (
            "SET a = b + :s",
            invalid("Incorrect operand type for operator or function; operator or function: +, operand type: S"),
        ),
        (
            "SET a = list_append(a, :n)",
            invalid(
                "Incorrect operand type for operator or function; operator or function: list_append, operand type: N",
            ),
        ),
        (
            "SET a = size(b)",
            invalid("The function is not allowed in an update expression; function: size"),
        ),
        ("SET a = :n,", invalid("Syntax error; token: \"<EOF>\", near: \",\"")),
    ] {
        assert_eq!(said(Role::Update, text, update::parse), wanted, "{text}");
    }
}

#[test]
fn key_conditions_take_only_what_a_range_can_be_made_of() {
    let invalid = |rest: &str| format!("Invalid KeyConditionExpression: {rest}");
    for (text, wanted) in [
        ("pk = :s AND begins_with(sk, :s)", "fine".to_owned()),
        (":s = pk AND (sk BETWEEN :s AND :s)", "fine".to_owned()),
        (
            "pk = :s OR sk = :s",
            invalid("Invalid operator used in KeyConditionExpression: OR"),
        ),
        (
            "pk <> :s",
            invalid("Invalid operator used in KeyConditionExpression: <>"),
        ),
        (
            "pk.a = :s",
            invalid("KeyConditionExpressions cannot have conditions on nested attributes"),
        ),
        (
            "pk = :s AND pk > :s",
            invalid("KeyConditionExpressions must only contain one condition per key"),
        ),
        (
            "contains(pk, :s)",
            invalid("Invalid operator used in KeyConditionExpression: contains"),
        ),
    ] {
        assert_eq!(said(Role::KeyCondition, text, keys::parse), wanted, "{text}");
    }
}

/// Pieces of expressions in any order: nearly right text finds more than noise does.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "#n",
        ":n",
        ":s",
        "(",
        ")",
        "[",
        "]",
        ".",
        ",",
        "=",
        "<>",
        "<",
        "AND",
        "OR",
        "NOT",
        "BETWEEN",
        "IN",
        "SET",
        "REMOVE",
        "ADD",
        "DELETE",
        "size",
        "contains",
        "attribute_exists",
        "if_not_exists",
        "list_append",
        "+",
        "-",
        "0",
        "99999999999999999999",
        "\u{1F3B5}",
        "!",
        "status",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in prop_oneof![any::<String>(), nearly()]) {
        said(Role::Condition, &text, condition::parse);
        said(Role::Update, &text, update::parse);
        said(Role::KeyCondition, &text, keys::parse);
        said(Role::Projection, &text, projection::parse);
    }
}

#[test]
fn depth_is_bounded() {
    for text in ["(".repeat(4000), "NOT ".repeat(1000) + "a = :n", "size(".repeat(800)] {
        assert!(said(Role::Condition, &text, condition::parse).starts_with("Invalid ConditionExpression: "));
        let update = format!("SET a = {text}");
        assert!(said(Role::Update, &update, update::parse).starts_with("Invalid UpdateExpression: "));
    }
}
