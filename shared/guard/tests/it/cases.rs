use crate::support::{hostile, policy, valid};
use concert_guard::check;

#[test]
fn valid_statements_are_let_through() {
    let policy = policy();
    let cases = valid();
    assert!(cases.len() >= 120, "{}", cases.len());
    let refused: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let refusal = check(&case.sql, &policy).err()?;
            Some(format!("{}: {} {refusal}\n    {}", case.is, refusal.code, case.sql))
        })
        .collect();
    assert!(refused.is_empty(), "{} refused\n{}", refused.len(), refused.join("\n"));
}

#[test]
fn hostile_statements_are_refused_for_their_reason() {
    let policy = policy();
    let cases = hostile();
    assert!(cases.len() >= 200, "{}", cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| match check(&case.sql, &policy) {
            Ok(guarded) => Some(format!(
                "{}: let through\n    {}\n    {}",
                case.why, case.sql, guarded.sql
            )),
            Err(refusal) if refusal.code.name() != case.code => Some(format!(
                "{}: expected {}, was {}: {refusal}\n    {}",
                case.why, case.code, refusal.code, case.sql
            )),
            Err(_) => None,
        })
        .collect();
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}
