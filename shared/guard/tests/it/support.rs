use concert_contract::catalogue::{CONCERT_DW, Catalogue};
use concert_guard::Policy;
use serde::Deserialize;
use std::sync::LazyLock;

/// What a viewer without restrictions may ask of `concert_dw`.
pub fn policy() -> Policy {
    static POLICY: LazyLock<Policy> = LazyLock::new(|| {
        let catalogue = Catalogue::from_toml(CONCERT_DW).unwrap();
        Policy::of(&catalogue, None).unwrap()
    });
    POLICY.clone()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Valid {
    pub is: String,
    pub sql: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hostile {
    pub why: String,
    pub code: String,
    pub sql: String,
}

pub fn valid() -> Vec<Valid> {
    #[derive(Deserialize)]
    struct File {
        case: Vec<Valid>,
    }
    toml::from_str::<File>(include_str!("../../cases/valid.toml"))
        .unwrap()
        .case
}

pub fn hostile() -> Vec<Hostile> {
    #[derive(Deserialize)]
    struct File {
        case: Vec<Hostile>,
        long: Vec<Long>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Long {
        why: String,
        code: String,
        before: String,
        #[serde(default)]
        part: String,
        #[serde(default)]
        times: usize,
        #[serde(default)]
        middle: String,
        #[serde(default)]
        after: String,
        #[serde(default)]
        end: String,
    }
    let file: File = toml::from_str(include_str!("../../cases/hostile.toml")).unwrap();
    let long = file.long.into_iter().map(|long| Hostile {
        sql: [
            long.before,
            long.part.repeat(long.times),
            long.middle,
            long.after.repeat(long.times),
            long.end,
        ]
        .concat(),
        why: long.why,
        code: long.code,
    });
    file.case.into_iter().chain(long).collect()
}

/// A catalogue of `concert_dw` with roles.
pub fn with_roles() -> Catalogue {
    let roles = r#"
        [roles.open]
        [roles.booker]
        hidden = ["concerts.revenue", "ticket_sales", "artists.popularity_score"]
        [[roles.booker.rows]]
        table = "venues"
        filters = [{ dimension = "venues.country", op = "in", values = ["US", "CA"] }]
        [[roles.booker.rows]]
        table = "concerts"
        filters = [{ dimension = "venues.country", op = "in", values = ["US", "CA"] }]
        [roles.guest]
        hidden = ["ticket_sales.customer_id", "ticket_sales.unit_price"]
        [[roles.guest.rows]]
        table = "ticket_sales"
        filters = [{ dimension = "venues.city", op = "=", values = ["Chi'cago\\"] }, { dimension = "concerts.status", op = "!=", values = ["cancelled"] }]
    "#;
    let text = CONCERT_DW
        .split("\n[roles")
        .next()
        .map(|text| format!("{text}\n{roles}"))
        .unwrap();
    Catalogue::from_toml(&text).unwrap()
}

pub fn roles() -> Vec<Policy> {
    ["open", "booker", "guest"]
        .map(|role| Policy::of(&with_roles(), Some(role)).unwrap())
        .to_vec()
}
