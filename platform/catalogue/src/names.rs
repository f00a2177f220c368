//! Names of tables and columns as words: `CountryCode`, `country_code` and `country-code` say the same. English nouns
//! in one and in many, as far as names of tables need it.

/// Words that SQL keeps for itself: a name that is one of them would need quotes, so it gets a `_` behind.
const RESERVED: &str = "all and any as asc between by case cast column create cross current default delete desc \
    distinct do drop else end except false for foreign from full grant group having in inner insert intersect into is \
    join left like limit natural not null offset on or order outer primary references right select set some table tag \
    then to top true union unique update user using values when where with";

/// Singular and plural of nouns that follow no rule.
const IRREGULAR: &[(&str, &str)] = &[
    ("person", "people"),
    ("child", "children"),
    ("man", "men"),
    ("woman", "women"),
    ("foot", "feet"),
    ("tooth", "teeth"),
    ("mouse", "mice"),
    ("goose", "geese"),
    ("ox", "oxen"),
    ("criterion", "criteria"),
    ("phenomenon", "phenomena"),
    ("datum", "data"),
    ("analysis", "analyses"),
    ("basis", "bases"),
    ("crisis", "crises"),
    ("thesis", "theses"),
    ("diagnosis", "diagnoses"),
    ("matrix", "matrices"),
    ("vertex", "vertices"),
    ("leaf", "leaves"),
    ("loaf", "loaves"),
    ("half", "halves"),
    ("knife", "knives"),
    ("life", "lives"),
    ("wife", "wives"),
    ("wolf", "wolves"),
    ("shelf", "shelves"),
    ("thief", "thieves"),
    ("quiz", "quizzes"),
    ("hero", "heroes"),
    ("potato", "potatoes"),
    ("tomato", "tomatoes"),
    ("echo", "echoes"),
    ("veto", "vetoes"),
    ("movie", "movies"),
    ("cookie", "cookies"),
    ("pie", "pies"),
    ("tie", "ties"),
    ("calorie", "calories"),
    ("rookie", "rookies"),
    ("zombie", "zombies"),
    ("brownie", "brownies"),
    ("prairie", "prairies"),
    ("cache", "caches"),
    ("bus", "buses"),
    ("gas", "gases"),
    ("lens", "lenses"),
    ("alias", "aliases"),
    ("atlas", "atlases"),
    ("canvas", "canvases"),
    ("bias", "biases"),
];

/// Nouns that are the same in one and in many.
const UNCOUNTABLE: &[&str] = &[
    "series",
    "species",
    "news",
    "staff",
    "personnel",
    "equipment",
    "information",
    "inventory",
    "merchandise",
    "feedback",
    "traffic",
    "weather",
    "music",
    "sheep",
    "fish",
    "aircraft",
    "headquarters",
    "means",
    "metadata",
    "software",
    "hardware",
    "revenue",
    "income",
    "population",
    "attendance",
];

/// The words of a name in lower case: split at everything that is no letter or digit, and where a capital begins a
/// word (`SurfaceArea`, `GNPOld`).
pub fn words(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut words = Vec::new();
    let mut word = String::new();
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|i| chars.get(i));
        let after = chars.get(at + 1);
        let begins = c.is_uppercase()
            && (before.is_some_and(|b| b.is_lowercase() || b.is_ascii_digit())
                || before.is_some_and(|b| b.is_uppercase()) && after.is_some_and(|a| a.is_lowercase()));
        if (begins || !c.is_alphanumeric()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// A name that SQL takes without quotes: lower-case letters, digits and `_`, and no word of its own. `fallback` where
/// nothing of the name can be kept.
pub fn identifier(name: &str, fallback: &str) -> String {
    let mut identifier = words(name)
        .iter()
        .map(|word| word.chars().filter_map(plain).collect::<String>())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("_");
    if identifier.is_empty() {
        fallback.clone_into(&mut identifier);
    }
    if identifier.starts_with(|c: char| c.is_ascii_digit()) {
        identifier.insert(0, '_');
    }
    if is_reserved(&identifier) {
        identifier.push('_');
    }
    identifier
}

/// A letter without its accent, as far as Western names have them.
fn plain(c: char) -> Option<char> {
    Some(match c {
        c if c.is_ascii_alphanumeric() => c,
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' | 'ø' => 'o',
        'ù'..='ü' => 'u',
        'ý' | 'ÿ' => 'y',
        'ß' => 's',
        _ => return None,
    })
}

pub fn is_reserved(name: &str) -> bool {
    RESERVED.split_whitespace().any(|word| word == name)
}

/// Names that differ: a name that is taken gets the next free number behind.
pub fn distinct(names: &mut [String]) {
    for at in 1..names.len() {
        let Some(name) = names.get(at).cloned() else { continue };
        let taken = |name: &String, names: &[String]| names.iter().take(at).any(|other| other == name);
        if taken(&name, names) {
            let free = (2..)
                .map(|n| format!("{name}_{n}"))
                .find(|candidate| !taken(candidate, names));
            if let (Some(free), Some(slot)) = (free, names.get_mut(at)) {
                *slot = free;
            }
        }
    }
}

/// The singular of an English noun.
pub fn singular(word: &str) -> String {
    if UNCOUNTABLE.contains(&word) {
        return word.to_owned();
    }
    if let Some((one, _)) = IRREGULAR.iter().find(|(one, many)| *many == word || *one == word) {
        return (*one).to_owned();
    }
    for (ending, replaced) in [
        ("sses", "ss"),
        ("xes", "x"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("uses", "us"),
        ("ies", "y"),
    ] {
        if let Some(root) = word.strip_suffix(ending)
            && root.chars().count() > 1
            // "houses" and "causes" end in e.
            && !(ending == "uses" && root.ends_with(['o', 'a']))
        {
            return format!("{root}{replaced}");
        }
    }
    match word.strip_suffix('s') {
        Some(root) if root.chars().count() > 1 && !root.ends_with(['s', 'u', 'i']) => root.to_owned(),
        _ => word.to_owned(),
    }
}

/// The plural of an English noun that is in the singular.
pub fn plural(word: &str) -> String {
    if UNCOUNTABLE.contains(&word) {
        return word.to_owned();
    }
    if let Some((_, many)) = IRREGULAR.iter().find(|(one, many)| *one == word || *many == word) {
        return (*many).to_owned();
    }
    if let Some(root) = word.strip_suffix('y')
        && !root.ends_with(['a', 'e', 'i', 'o', 'u'])
        && !root.is_empty()
    {
        return format!("{root}ies");
    }
    if word.ends_with('s') || word.ends_with('x') || word.ends_with("ch") || word.ends_with("sh") || word.ends_with('z')
    {
        return format!("{word}es");
    }
    format!("{word}s")
}

/// A phrase with its last word in the singular.
pub fn singular_phrase(words: &[String]) -> String {
    with_last(words, singular)
}

/// A phrase with its last word in the plural.
pub fn plural_phrase(words: &[String]) -> String {
    with_last(words, |word| plural(&singular(word)))
}

fn with_last(words: &[String], change: impl Fn(&str) -> String) -> String {
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => change(last),
        Some((last, rest)) => format!("{} {}", rest.join(" "), change(last)),
    }
}

/// The first letter as a capital: how a label is written.
pub fn label(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_into_words() {
        for (name, expected) in [
            ("CountryCode", "country code"),
            ("GNPOld", "gnp old"),
            ("customer_id", "customer id"),
            ("Order Date (UTC)", "order date utc"),
            ("homeTeamID", "home team id"),
            ("address2", "address2"),
        ] {
            assert_eq!(words(name).join(" "), expected, "{name}");
        }
    }

    #[test]
    fn identifiers_need_no_quotes() {
        for (name, expected) in [
            ("Order", "order_"),
            ("2019 sales", "_2019_sales"),
            ("%%%", "x"),
            ("Größe", "grose"),
            ("singer-in concert", "singer_in_concert"),
        ] {
            assert_eq!(identifier(name, "x"), expected, "{name}");
        }
        let mut names = ["a", "a", "a_2", "a"].map(str::to_owned);
        distinct(&mut names);
        assert_eq!(names, ["a", "a_2", "a_2_2", "a_3"]);
    }

    #[test]
    fn nouns_have_one_and_many() {
        for (one, many) in [
            ("country", "countries"),
            ("person", "people"),
            ("address", "addresses"),
            ("status", "statuses"),
            ("course", "courses"),
            ("house", "houses"),
            ("branch", "branches"),
            ("box", "boxes"),
            ("movie", "movies"),
            ("day", "days"),
            ("class", "classes"),
            ("purchase", "purchases"),
            ("bus", "buses"),
            ("staff", "staff"),
            ("airline", "airlines"),
            ("campus", "campuses"),
            ("size", "sizes"),
        ] {
            assert_eq!(plural(one), many);
            assert_eq!(singular(many), one);
            assert_eq!(singular(one), one);
        }
    }
}
