use concert_contract::catalogue::{CONCERT_DW, Catalogue};
use concert_guard::Policy;
use serde::Deserialize;

/// What a viewer without restrictions may ask of `concert_dw`.
pub fn policy() -> Policy {
    let catalogue = Catalogue::from_toml(CONCERT_DW).unwrap();
    Policy::of(&catalogue)
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
