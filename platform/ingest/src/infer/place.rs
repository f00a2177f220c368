//! Finds for each column of the model the column of a file that it may come from, by names and by values, and makes
//! tables of what was found: ids, keys where there is no id, and what every row needs.

use super::{
    profile::{Code, Profile, Shape},
    vocabulary::{
        COUNTRIES, CURRENCIES, Entity, GENERIC, PHRASES, STATUS_WORDS, STRUCTURE, VENUE_TYPE_WORDS, country, is_in,
        words,
    },
};
use concert_lake::schema::{ColumnDef, Kind, MODEL, TableDef};
use std::collections::{BTreeMap, BTreeSet};

/// What is less likely is not proposed.
const LEAST_CONFIDENCE: f64 = 0.5;

/// How like a name must be to one that is known, from 0 to 1, and how like to be mentioned.
const LIKENESS: f64 = 0.85;
const MENTIONED_LIKENESS: f64 = 0.6;

/// More different texts than these make no map that a person reads.
const MAX_MAPPED: usize = 80;

/// A column of the file for a column of the model.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub column: usize,
    /// From 0 to 1.
    pub confidence: f64,
}

/// Where a value of a proposed table comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum From {
    Const(String),
    Key(Vec<String>),
    Column {
        path: String,
        /// `date = "%d/%m/%Y"` and the like, as TOML writes them.
        options: Vec<(&'static str, toml::Value)>,
    },
}

impl From {
    fn column(path: &str) -> From {
        From::Column {
            path: path.to_owned(),
            options: Vec::new(),
        }
    }

    /// With `[*]` only in the list that the table's rows are taken from.
    fn within(&self, list: Option<&str>) -> From {
        match self {
            From::Const(text) => From::Const(text.clone()),
            From::Key(paths) => From::Key(paths.iter().map(|path| within(path, list)).collect()),
            From::Column { path, options } => From::Column {
                path: within(path, list),
                options: options.clone(),
            },
        }
    }
}

#[derive(Clone, Debug)]
pub struct ProposedTable {
    pub table: &'static TableDef,
    pub entries: Vec<Entry>,
    /// Columns that every row needs and that nothing fills. Such a table is proposed as a comment.
    pub missing: Vec<&'static str>,
    pub doubts: Vec<String>,
    /// Whether it is written out, and not as a comment.
    pub active: bool,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub column: &'static str,
    pub from: From,
    pub confidence: f64,
    pub doubt: Option<String>,
}

pub struct Placement {
    pub tables: Vec<ProposedTable>,
    pub score: f64,
}

/// What is known about the file beside its columns.
pub struct About<'a> {
    pub columns: &'a [Profile],
    /// The names of the columns are made up.
    pub nameless: bool,
    /// Words of the file's name and of the way to its records.
    pub words: &'a [String],
    /// Stands for what nothing in the file names.
    pub stem: &'a str,
}

/// The most convincing reading of the file: as concerts, sales, venues, artists or customers.
pub fn place(about: &About<'_>) -> Placement {
    let mut best: Option<Placement> = None;
    for main in Entity::ALL {
        let placement = place_as(about, main);
        if best.as_ref().is_none_or(|best| placement.score > best.score) {
            best = Some(placement);
        }
    }
    best.unwrap_or(Placement {
        tables: Vec::new(),
        score: 0.0,
    })
}

fn table_of(name: &str) -> Option<&'static TableDef> {
    MODEL.iter().find(|table| table.name == name)
}

fn entity_of(table: &str) -> Entity {
    match table {
        "venues" | "venue_amenities" => Entity::Venue,
        "artists" | "artist_genres" | "artist_members" => Entity::Artist,
        "customers" => Entity::Customer,
        "ticket_sales" => Entity::Sale,
        _ => Entity::Concert,
    }
}

/// Whether a word of the file's name says what is in it: `allevents_pipe` holds events.
fn says(words: &[String], entity: Entity) -> bool {
    words.iter().any(|word| {
        entity
            .words()
            .iter()
            .any(|known| word == known || (known.len() > 4 && word.contains(known)))
    })
}

fn place_as(about: &About<'_>, main: Entity) -> Placement {
    let mut candidates: Vec<(&'static str, &'static str, Found)> = Vec::new();
    for (table, column, phrases) in PHRASES {
        let Some(def) = table_of(table).and_then(|def| def.column(column)) else {
            continue;
        };
        for (index, profile) in about.columns.iter().enumerate() {
            let fit = fit(profile, table, def);
            if fit <= 0.0 {
                continue;
            }
            let named = if about.nameless {
                0.0
            } else {
                named(&without_currency(&profile.path), table, column, phrases, main, profile)
            };
            let confidence = if named > 0.0 {
                (0.65 * named + 0.35 * fit).min(0.99)
            } else {
                0.0
            };
            if confidence >= LEAST_CONFIDENCE {
                let found = Found {
                    column: index,
                    confidence,
                };
                candidates.push((table, column, found));
            }
        }
    }
    if about.nameless {
        by_values(about.columns, main, &mut candidates);
    }
    candidates.sort_by(|a, b| {
        b.2.confidence
            .total_cmp(&a.2.confidence)
            .then_with(|| a.2.column.cmp(&b.2.column))
    });
    let mut found: BTreeMap<(&'static str, &'static str), Found> = BTreeMap::new();
    for (table, column, candidate) in candidates {
        let taken = found
            .iter()
            .any(|((other, _), known)| *other == table && known.column == candidate.column);
        if !taken {
            found.entry((table, column)).or_insert(candidate);
        }
    }
    let mut tables = Assembly {
        about,
        found: &found,
        main,
    }
    .tables();
    let own = main.table();
    let mut score: f64 = 0.0;
    let own_is_whole = tables
        .iter()
        .any(|table| table.table.name == own && table.missing.is_empty());
    for table in &mut tables {
        // An invented artist serves the concerts that need one, and nothing else.
        let says_something = table.entries.iter().any(|entry| !matches!(entry.from, From::Const(_)));
        table.active = table.missing.is_empty() && (says_something || own_is_whole);
        if !table.active {
            continue;
        }
        let weight = if table.table.name == own { 1.0 } else { 0.6 };
        for entry in &table.entries {
            let is_id = entry.column.ends_with("_id");
            score += weight * entry.confidence * if is_id { 0.3 } else { 1.0 };
        }
    }
    let is_own = tables.iter().any(|table| table.active && table.table.name == own);
    if !is_own {
        score *= 0.3;
    } else if says(about.words, main) {
        score += 1.5;
    }
    Placement { tables, score }
}

/// How much a name speaks for a column of the model, from 0 to 1.
fn named(path: &[String], table: &str, column: &str, phrases: &[&str], main: Entity, profile: &Profile) -> f64 {
    let own = entity_of(table);
    let has = |words: &[String], entity: Entity| words.iter().any(|word| entity.words().contains(&word.as_str()));
    let mut best: f64 = 0.0;
    for (rank, phrase) in phrases.iter().enumerate() {
        let phrase_words = words(phrase);
        for length in 1..=path.len().min(4) {
            let (before, suffix) = path.split_at(path.len() - length);
            let likeness = likeness(&phrase_words.concat(), &suffix.concat());
            if likeness < LIKENESS {
                continue;
            }
            let mut score = likeness * (0.75 + 0.08 * phrase_words.len().min(3) as f64) - 0.01 * rank as f64;
            if likeness < 1.0 {
                score -= 0.1;
            }
            let speaks_of_own = has(before, own) || has(&phrase_words, own) || has(suffix, own);
            // Places are where venues are; what is sold is sold for a concert.
            let foreign = Entity::ALL.into_iter().any(|other| {
                let family = matches!(
                    (own, other),
                    (Entity::Concert, Entity::Sale) | (Entity::Sale, Entity::Concert)
                );
                let words = before.iter().filter(|word| !STRUCTURE.contains(&word.as_str()));
                other != own
                    && other != main
                    && !(family && table != "concerts")
                    && words.into_iter().any(|word| other.words().contains(&word.as_str()))
            });
            if foreign {
                continue;
            }
            if has(before, own) {
                score += 0.05;
            }
            let strangers = before
                .iter()
                .filter(|word| {
                    !STRUCTURE.contains(&word.as_str())
                        && !Entity::ALL
                            .into_iter()
                            .any(|entity| entity.words().contains(&word.as_str()))
                        && !phrase_words.contains(word)
                })
                .count();
            let generic = phrase_words.len() == 1 && GENERIC.contains(&phrase_words[0].as_str());
            if generic {
                let home = own == main
                    || (main == Entity::Concert
                        && own == Entity::Venue
                        && matches!(column, "city" | "state" | "country"));
                // A record's own name and id stand at its top, or below a word for what it is.
                if strangers > 0 || !(home || speaks_of_own) || (!speaks_of_own && own != main && column == "name") {
                    continue;
                }
            }
            score -= 0.12 * strangers as f64;
            best = best.max(score);
        }
    }
    // An id of the source's own kind: `fls_id` among concerts, if it tells the records apart.
    let is_own_id = table == main.table() && table_of(table).is_some_and(|def| def.key.contains(&column));
    if best == 0.0
        && is_own_id
        && path.len() == 2
        && path
            .last()
            .is_some_and(|word| matches!(word.as_str(), "id" | "key" | "code"))
        && !Entity::ALL.into_iter().any(|entity| has(path, entity))
        && profile.all_different()
    {
        best = 0.55;
    }
    best.clamp(0.0, 1.0)
}

/// The words of a name but for a currency's code at its end: "Gross USD" is a gross.
fn without_currency(path: &str) -> Vec<String> {
    let mut words = words(path);
    if words.len() > 1 && words.last().is_some_and(|word| is_in(CURRENCIES, &word.to_uppercase())) {
        words.pop();
    }
    words
}

/// The one currency that a column's amounts are in, by their signs or by the column's name.
fn currency_of(profile: &Profile) -> Option<&'static str> {
    let mut signs = profile.money.keys().copied().filter(|code| !code.is_empty());
    match (signs.next(), signs.next()) {
        (Some(code), None) => Some(code),
        (Some(_), Some(_)) => None,
        (None, _) => {
            let words = words(&profile.path);
            let last = words.last().filter(|_| words.len() > 1)?.to_uppercase();
            CURRENCIES.split(' ').find(|code| !code.is_empty() && *code == last)
        }
    }
}

fn likeness(a: &str, b: &str) -> f64 {
    match () {
        () if a == b => 1.0,
        () if a.len() < 5 || b.len() < 5 => 0.0,
        () => strsim::normalized_damerau_levenshtein(a, b),
    }
}

/// How well the values of a column fit a column of the model: 0 if they do not, else up to 1.
fn fit(profile: &Profile, table: &str, column: &ColumnDef) -> f64 {
    let shape = profile.shape();
    if shape == Shape::Empty {
        return 0.0;
    }
    let share = |code| profile.share_of(code);
    let if_most = |share: f64| if share >= 0.9 { share } else { 0.0 };
    let is_list = profile.path.contains("[*]");
    match (table, column.name) {
        ("artists" | "venues", "name") => match shape {
            Shape::Text if share(Code::Url) < 0.1 && share(Code::Uuid) < 0.5 => 1.0,
            // A band can be called by a number, a column of them is none.
            _ => 0.0,
        },
        (_, "city" | "home_city") => match () {
            () if !profile.is_text_of_people() || profile.length() > 40.0 => 0.0,
            () => 1.0,
        },
        (_, "state") if profile.is_text_of_people() => {
            if share(Code::State) > 0.5 {
                1.0
            } else if profile.length() < 25.0 {
                0.7
            } else {
                0.0
            }
        }
        (_, "country" | "home_country") => {
            if share(Code::Country) > 0.8 {
                1.0
            } else if share(Code::CountryName) > 0.5 {
                0.85
            } else {
                0.0
            }
        }
        (_, "genre" | "member" | "amenity" | "tier" | "price_tier" | "channel" | "segment" | "customer_segment") => {
            if shape == Shape::Text && share(Code::Url) < 0.1 && profile.length() < 60.0 {
                1.0
            } else {
                0.0
            }
        }
        (_, "timezone") => if_most(share(Code::Zone)),
        (_, "currency") => if_most(share(Code::Currency)),
        (_, "status") => {
            if share(Code::Status) >= 0.3 {
                0.6 + 0.4 * share(Code::Status)
            } else {
                0.0
            }
        }
        (_, "venue_type") => {
            if share(Code::VenueType) >= 0.3 {
                0.6 + 0.4 * share(Code::VenueType)
            } else {
                0.0
            }
        }
        (_, "spotify_id") => if_most(share(Code::SpotifyId)),
        (_, "musicbrainz_id") => if_most(share(Code::Uuid)),
        (_, "latitude") if profile.low >= -90.0 && profile.high <= 90.0 => if_most(share(Code::Number)),
        (_, "longitude") if profile.low >= -180.0 && profile.high <= 180.0 => if_most(share(Code::Number)),
        (_, "latitude" | "longitude" | "state") => 0.0,
        (_, "popularity_score") if profile.low >= 0.0 && profile.high <= 100.0 => if_most(share(Code::Number)),
        (_, "popularity_score") => 0.0,
        (_, "capacity" | "total_attendance" | "quantity") => {
            if profile.low >= 0.0 {
                if_most(share(Code::Whole))
            } else {
                0.0
            }
        }
        (_, "price") => {
            if is_list || share(Code::Money) >= 0.5 {
                0.5 + 0.5 * share(Code::Money)
            } else {
                0.0
            }
        }
        (_, "starts_at") => {
            if shape == Shape::Instant {
                1.0
            } else {
                0.0
            }
        }
        (_, name) => match column.kind {
            // A year alone is no day.
            Kind::Date | Kind::Timestamp => match (shape, name) {
                (Shape::Day, "purchase_timestamp") => 0.8,
                (Shape::Instant, "purchase_timestamp") | (Shape::Day, _) => 1.0,
                (Shape::Instant, _) => 0.85,
                _ => 0.0,
            },
            Kind::Money => if_most(share(Code::Money)),
            Kind::Double => if_most(share(Code::Number)),
            Kind::Integer | Kind::BigInt => if_most(share(Code::Whole)),
            // Ids. Days and links are none.
            Kind::Text | Kind::Binary => match shape {
                Shape::Day | Shape::Instant | Shape::Boolean => 0.0,
                _ if share(Code::Url) > 0.5 => 0.0,
                _ => 1.0,
            },
        },
    }
}

/// What values alone say, for files whose columns have no names.
fn by_values(columns: &[Profile], main: Entity, candidates: &mut Vec<(&'static str, &'static str, Found)>) {
    let mut push = |table, column, index, confidence| {
        candidates.push((
            table,
            column,
            Found {
                column: index,
                confidence,
            },
        ));
    };
    let shapes: Vec<Shape> = columns.iter().map(Profile::shape).collect();
    let id = columns.iter().enumerate().find(|(index, profile)| {
        let of_shape =
            matches!(shapes[*index], Shape::Whole) || (shapes[*index] == Shape::Text && profile.spaced() == 0.0);
        profile.all_different() && of_shape
    });
    let texts: Vec<usize> = (0..columns.len())
        .filter(|index| {
            shapes[*index] == Shape::Text
                && columns[*index].share_of(Code::State) < 0.9
                && id.is_none_or(|(id, _)| id != *index)
        })
        .collect();
    let days = shapes
        .iter()
        .position(|shape| matches!(shape, Shape::Day | Shape::Instant));
    for (index, profile) in columns.iter().enumerate() {
        if profile.share_of(Code::Zone) > 0.95 {
            push("venues", "timezone", index, 0.7);
        }
        if profile.share_of(Code::State) > 0.95 && matches!(main, Entity::Venue | Entity::Concert) {
            push("venues", "state", index, 0.6);
            // Where a city's state stands, the city is most often before it.
            if let Some(before) = index.checked_sub(1)
                && texts.contains(&before)
                && texts.first() != Some(&before)
            {
                push("venues", "city", before, 0.55);
            }
        }
        if profile.share_of(Code::Currency) > 0.95 && profile.different() < 40 {
            match main {
                Entity::Sale => push("ticket_sales", "currency", index, 0.6),
                _ => push("concerts", "currency", index, 0.6),
            }
        }
    }
    if let Some((index, _)) = id
        && let Some(def) = table_of(main.table()).and_then(|def| def.key.first().copied())
    {
        push(main.table(), def, index, 0.6);
    }
    match main {
        Entity::Concert => {
            if let Some(day) = days {
                push("concerts", "event_date", day, 0.6);
            }
            if let Some(text) = texts.first() {
                push("artists", "name", *text, 0.5);
            }
        }
        Entity::Venue | Entity::Artist => {
            if let Some(text) = texts.first() {
                push(main.table(), "name", *text, 0.6);
            }
            // The only numbers of a hall that are whole and large are its seats.
            let seats = (0..columns.len()).find(|index| {
                shapes[*index] == Shape::Whole
                    && columns[*index].high >= 1000.0
                    && columns[*index].low >= 0.0
                    && id.is_none_or(|(id, _)| id != *index)
            });
            if let (Entity::Venue, Some(seats), None) = (main, seats, days) {
                push("venues", "capacity", seats, 0.5);
            }
        }
        Entity::Sale | Entity::Customer => {}
    }
}

struct Assembly<'a> {
    about: &'a About<'a>,
    found: &'a BTreeMap<(&'static str, &'static str), Found>,
    main: Entity,
}

impl Assembly<'_> {
    fn get(&self, table: &'static str, column: &'static str) -> Option<(&Profile, f64)> {
        let found = self.found.get(&(table, column))?;
        Some((self.about.columns.get(found.column)?, found.confidence))
    }

    fn tables(&self) -> Vec<ProposedTable> {
        let mut tables: Vec<ProposedTable> = Vec::new();
        let concerts_wanted = self.main == Entity::Concert
            || (self.main == Entity::Sale
                && self
                    .get("concerts", "event_date")
                    .is_some_and(|(_, confidence)| confidence > 0.8)
                && self.get("concerts", "event_date").map(|(p, _)| &p.path)
                    != self.get("ticket_sales", "purchase_timestamp").map(|(p, _)| &p.path));
        let (artist, artist_doubt) = self.artist(concerts_wanted);
        let (venue, venue_doubt) = self.venue(concerts_wanted);
        if let Some((id, name)) = &artist {
            tables.extend(self.artists(id, name.as_ref(), artist_doubt.clone()));
        }
        if let Some((id, name)) = &venue {
            tables.extend(self.venues(id, name.as_ref(), venue_doubt.clone()));
        }
        let artist = artist.map(|(id, _)| id);
        let venue = venue.map(|(id, _)| id);
        let concert = self.concert_id(artist.as_ref(), venue.as_ref());
        if concerts_wanted {
            tables.extend(self.concerts(&concert, artist.as_ref(), venue.as_ref(), artist_doubt, venue_doubt));
        }
        // Of nothing no key is made.
        let is_known = !matches!(&concert.0, From::Key(paths) if paths.is_empty());
        for table in tables
            .iter_mut()
            .filter(|table| table.table.column_index("concert_id").is_some())
        {
            if !is_known {
                table.missing.push("concert_id");
            }
        }
        match self.main {
            Entity::Sale => tables.extend(self.sales(&concert)),
            Entity::Customer => tables.extend(self.customers()),
            _ => {}
        }
        tables
    }

    fn entry(&self, table: &'static str, column: &'static str) -> Option<Entry> {
        let (profile, confidence) = self.get(table, column)?;
        let (from, doubt) = value(profile, table, column);
        Some(Entry {
            column,
            from,
            confidence,
            doubt,
        })
    }

    /// The artist's id and name, where either is known.
    fn artist(&self, needed: bool) -> (Option<(From, Option<From>)>, Option<String>) {
        let name = self
            .get("artists", "name")
            .map(|(profile, _)| From::column(&profile.path));
        if let Some((id, _)) = self.get("artists", "artist_id") {
            return (Some((From::column(&id.path), name)), None);
        }
        if let (Entity::Concert | Entity::Sale, Some((id, _))) = (self.main, self.get("concerts", "artist_id")) {
            return (Some((From::column(&id.path), name)), None);
        }
        if let Some((profile, _)) = self.get("artists", "name") {
            let doubt = self
                .about
                .nameless
                .then(|| format!("{} may be the artist, or the event's name", profile.path));
            return (Some((From::Key(vec![profile.path.clone()]), name)), doubt);
        }
        if !needed {
            return (None, None);
        }
        // The name of an event often is its artist's.
        let title = self.about.columns.iter().find(|profile| {
            let words = words(&profile.path);
            let is_title = matches!(
                words.iter().map(String::as_str).collect::<Vec<_>>().as_slice(),
                ["name" | "title" | "event" | "concert" | "show"] | ["event" | "concert" | "show", "name" | "title"]
            ) || matches!(words.concat().as_str(), "eventname" | "showname" | "eventtitle");
            is_title && profile.is_text_of_people()
        });
        if let Some(title) = title {
            let doubt = format!("no column names the artist: {} is taken for it", title.path);
            return (
                Some((From::Key(vec![title.path.clone()]), Some(From::column(&title.path)))),
                Some(doubt),
            );
        }
        let doubt = format!(
            "no column names the artist: if all of it is one artist's, write its name for {:?}",
            self.about.stem
        );
        let stem = From::Const(self.about.stem.to_owned());
        (Some((stem.clone(), Some(stem))), Some(doubt))
    }

    fn venue(&self, needed: bool) -> (Option<(From, Option<From>)>, Option<String>) {
        let name = self
            .get("venues", "name")
            .map(|(profile, _)| From::column(&profile.path));
        if let Some((id, _)) = self.get("venues", "venue_id") {
            return (Some((From::column(&id.path), name)), None);
        }
        if let (Entity::Concert | Entity::Sale, Some((id, _))) = (self.main, self.get("concerts", "venue_id")) {
            return (Some((From::column(&id.path), name)), None);
        }
        if let Some((profile, _)) = self.get("venues", "name") {
            let mut key = vec![profile.path.clone()];
            for part in ["city", "state", "country"] {
                key.extend(self.get("venues", part).map(|(profile, _)| profile.path.clone()));
            }
            let doubt = (key.len() == 1).then(|| "venues of one name in several cities would be one".to_owned());
            return (Some((From::Key(key), name)), doubt);
        }
        if !needed {
            return (None, None);
        }
        let likely: Vec<&str> = self
            .about
            .columns
            .iter()
            .filter(|profile| {
                let free = !self
                    .found
                    .values()
                    .any(|found| self.about.columns[found.column].path == profile.path);
                free && profile.shape() == Shape::Whole && !profile.all_different() && profile.different() > 1
            })
            .map(|profile| profile.path.as_str())
            .take(5)
            .collect();
        let doubt = if likely.is_empty() {
            "no column names the venue: write where it comes from".to_owned()
        } else {
            format!(
                "no column names the venue: {} repeat whole numbers and may be its id",
                likely.join(", ")
            )
        };
        let unknown = From::Const("unknown".to_owned());
        (
            Some((unknown, Some(From::Const("Unknown venue".to_owned())))),
            Some(doubt),
        )
    }

    fn concert_id(&self, artist: Option<&From>, venue: Option<&From>) -> (From, f64, Option<String>) {
        for (table, column) in [
            ("concerts", "concert_id"),
            ("ticket_sales", "concert_id"),
            ("concert_prices", "concert_id"),
        ] {
            if let Some((profile, confidence)) = self.get(table, column) {
                let doubt = (self.main == Entity::Concert && !profile.all_different()).then(|| {
                    format!(
                        "it has {} different values in {} records: records of one id are merged",
                        profile.different(),
                        profile.filled
                    )
                });
                return (From::column(&profile.path), confidence, doubt);
            }
        }
        let mut key = Vec::new();
        key.extend(
            self.get("concerts", "event_date")
                .map(|(profile, _)| profile.path.clone()),
        );
        for from in [venue, artist].into_iter().flatten() {
            match from {
                From::Key(paths) => key.extend(paths.iter().cloned()),
                From::Column { path, .. } => key.push(path.clone()),
                From::Const(_) => {}
            }
        }
        let doubt =
            "no column is an id of the concert: it is made of these, and what is alike in them is one".to_owned();
        (From::Key(key), 0.5, Some(doubt))
    }

    fn table(
        &self,
        name: &'static str,
        list: Option<String>,
        first: Vec<Entry>,
        columns: &[&'static str],
        doubts: Vec<String>,
    ) -> Option<ProposedTable> {
        let table = table_of(name)?;
        let mut entries = first;
        for column in columns {
            if !entries.iter().any(|entry| entry.column == *column) {
                entries.extend(self.entry(name, column));
            }
        }
        for entry in &mut entries {
            entry.from = entry.from.within(list.as_deref());
        }
        entries.sort_by_key(|entry| table.column_index(entry.column));
        let missing = table
            .columns()
            .iter()
            .filter(|column| column.required && !crate::mapping::has_default(column.name))
            .filter(|column| !entries.iter().any(|entry| entry.column == column.name))
            .map(|column| column.name)
            .collect();
        Some(ProposedTable {
            table,
            entries,
            missing,
            doubts,
            active: true,
        })
    }

    /// The table of an entity whose rows may be in a list of each record, and the tables of lists inside of it.
    fn artists(&self, id: &From, name: Option<&From>, doubt: Option<String>) -> Vec<ProposedTable> {
        let list = name.or(Some(id)).and_then(list_of);
        let confidence = self
            .get("artists", "artist_id")
            .map_or(0.6, |(_, confidence)| confidence);
        let mut tables = Vec::new();
        let id_entry = |confidence| Entry {
            column: "artist_id",
            from: id.clone(),
            confidence,
            doubt: None,
        };
        if let Some(name) = name {
            let mut first = vec![id_entry(confidence)];
            if self.get("artists", "name").is_none() {
                first.push(Entry {
                    column: "name",
                    from: name.clone(),
                    confidence: 0.4,
                    doubt,
                });
            }
            // A MusicBrainz or Spotify id often is the id itself.
            if let Some((profile, confidence)) = self.get("artists", "artist_id") {
                for (column, code) in [("musicbrainz_id", Code::Uuid), ("spotify_id", Code::SpotifyId)] {
                    if profile.share_of(code) > 0.9 && self.get("artists", column).is_none() {
                        first.push(Entry {
                            column,
                            from: From::column(&profile.path),
                            confidence: confidence * 0.7,
                            doubt: Some("the ids look like it".to_owned()),
                        });
                    }
                }
            }
            let mut columns = vec![
                "name",
                "genre",
                "popularity_score",
                "formation_date",
                "spotify_id",
                "musicbrainz_id",
            ];
            if self.main == Entity::Artist {
                columns.extend(["home_city", "home_country"]);
            }
            tables.extend(self.table("artists", list, first, &columns, Vec::new()));
        }
        for (table, column) in [("artist_genres", "genre"), ("artist_members", "member")] {
            if let Some((profile, _)) = self.get(table, column)
                && profile.path.contains("[*]")
            {
                let list = list_of(&From::column(&profile.path));
                tables.extend(self.table(table, list, vec![id_entry(confidence)], &[column], Vec::new()));
            }
        }
        tables
    }

    fn venues(&self, id: &From, name: Option<&From>, doubt: Option<String>) -> Vec<ProposedTable> {
        let list = name.or(Some(id)).and_then(list_of);
        let confidence = self.get("venues", "venue_id").map_or(0.6, |(_, confidence)| confidence);
        let mut tables = Vec::new();
        let id_entry = |doubt| Entry {
            column: "venue_id",
            from: id.clone(),
            confidence,
            doubt,
        };
        if let Some(name) = name {
            let mut first = vec![id_entry(doubt)];
            if self.get("venues", "name").is_none() {
                first.push(Entry {
                    column: "name",
                    from: name.clone(),
                    confidence: 0.3,
                    doubt: None,
                });
            }
            let known = self.get("venues", "name").is_some();
            let columns: &[&'static str] = if known {
                &[
                    "name",
                    "city",
                    "state",
                    "country",
                    "latitude",
                    "longitude",
                    "timezone",
                    "capacity",
                    "venue_type",
                    "ticketmaster_id",
                ]
            } else {
                &[]
            };
            if let (Some((city, confidence)), None) = (self.get("venues", "city"), self.get("venues", "state"))
                && city.share_of(Code::CityAndState) > 0.9
            {
                for (column, pattern) in [("city", "^(.*), *[A-Z]{2}$"), ("state", ", *([A-Z]{2})$")] {
                    first.push(Entry {
                        column,
                        from: From::Column {
                            path: city.path.clone(),
                            options: vec![
                                ("pattern", toml::Value::String(pattern.to_owned())),
                                ("missing", toml::Value::String("null".to_owned())),
                            ],
                        },
                        confidence,
                        doubt: None,
                    });
                }
            }
            tables.extend(self.table("venues", list, first, columns, Vec::new()));
        }
        if let Some((profile, _)) = self.get("venue_amenities", "amenity")
            && profile.path.contains("[*]")
        {
            let list = list_of(&From::column(&profile.path));
            tables.extend(self.table("venue_amenities", list, vec![id_entry(None)], &["amenity"], Vec::new()));
        }
        tables
    }

    fn concerts(
        &self,
        (id, confidence, id_doubt): &(From, f64, Option<String>),
        artist: Option<&From>,
        venue: Option<&From>,
        artist_doubt: Option<String>,
        venue_doubt: Option<String>,
    ) -> Vec<ProposedTable> {
        let id_entry = Entry {
            column: "concert_id",
            from: id.clone(),
            confidence: *confidence,
            doubt: id_doubt.clone(),
        };
        let mut first = vec![id_entry.clone()];
        let key = |column, from: Option<&From>, doubt: Option<String>| {
            from.map(|from| Entry {
                column,
                from: from.clone(),
                confidence: if doubt.is_some() { 0.3 } else { 0.7 },
                doubt,
            })
        };
        first.extend(key("artist_id", artist, artist_doubt));
        first.extend(key("venue_id", venue, venue_doubt));
        first.extend(self.currency("concerts", "revenue"));
        let columns = [
            "event_date",
            "starts_at",
            "announced_at",
            "status",
            "total_attendance",
            "revenue",
            "currency",
        ];
        let mut tables: Vec<ProposedTable> = self
            .table("concerts", None, first, &columns, Vec::new())
            .into_iter()
            .collect();
        if let Some((price, _)) = self.get("concert_prices", "price") {
            let list = list_of(&From::column(&price.path));
            let mut first = vec![Entry {
                doubt: None,
                ..id_entry
            }];
            if self.get("concert_prices", "tier").is_none() {
                first.push(Entry {
                    column: "tier",
                    from: From::Const("standard".to_owned()),
                    confidence: 0.5,
                    doubt: None,
                });
            }
            let mut doubts = Vec::new();
            let mut currencies: Vec<(&str, u64)> = price
                .money
                .iter()
                .filter(|(code, _)| !code.is_empty())
                .map(|(code, count)| (*code, *count))
                .collect();
            currencies.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            let has_currency = self.get("concert_prices", "currency").is_some();
            match currencies.as_slice() {
                [(code, _)] if !has_currency => first.push(Entry {
                    column: "currency",
                    from: From::Const((*code).to_owned()),
                    confidence: 0.7,
                    doubt: None,
                }),
                _ => {}
            }
            let mixed = currencies.len() > 1 && !has_currency;
            if mixed {
                let found: Vec<String> = currencies
                    .iter()
                    .map(|(code, count)| format!("{code} {count} times"))
                    .collect();
                doubts.push(format!(
                    "{} holds amounts in several currencies ({}): give each its own with a lookup file, then take the # away",
                    price.path,
                    found.join(", ")
                ));
            }
            if let Some(mut table) = self.table("concert_prices", list, first, &["tier", "price", "currency"], doubts) {
                if mixed {
                    table.missing.push("currency");
                }
                tables.push(table);
            }
        }
        tables
    }

    /// The currency of a table's amounts, where they name it and no column does.
    fn currency(&self, table: &'static str, amount: &'static str) -> Option<Entry> {
        if self.get(table, "currency").is_some() {
            return None;
        }
        let (profile, _) = self.get(table, amount)?;
        Some(Entry {
            column: "currency",
            from: From::Const(currency_of(profile)?.to_owned()),
            confidence: 0.7,
            doubt: None,
        })
    }

    fn sales(&self, (concert, confidence, _): &(From, f64, Option<String>)) -> Vec<ProposedTable> {
        let mut first = Vec::new();
        first.extend(self.currency("ticket_sales", "unit_price"));
        let known = match concert {
            From::Key(paths) => paths.len() > 1,
            _ => true,
        };
        if known {
            first.push(Entry {
                column: "concert_id",
                from: concert.clone(),
                confidence: *confidence,
                doubt: None,
            });
        }
        if self.get("ticket_sales", "sale_id").is_none() {
            let mut key: Vec<String> = match concert {
                From::Key(paths) => paths.clone(),
                From::Column { path, .. } => vec![path.clone()],
                From::Const(_) => Vec::new(),
            };
            for column in [
                "purchase_timestamp",
                "customer_id",
                "price_tier",
                "quantity",
                "unit_price",
            ] {
                key.extend(
                    self.get("ticket_sales", column)
                        .map(|(profile, _)| profile.path.clone()),
                );
            }
            first.push(Entry {
                column: "sale_id",
                from: From::Key(key),
                confidence: 0.4,
                doubt: Some(
                    "no column is an id of the sale: purchases that are alike in these would be one".to_owned(),
                ),
            });
        }
        let columns = [
            "sale_id",
            "customer_id",
            "price_tier",
            "quantity",
            "unit_price",
            "currency",
            "channel",
            "purchase_timestamp",
            "customer_segment",
        ];
        self.table("ticket_sales", None, first, &columns, Vec::new())
            .into_iter()
            .collect()
    }

    fn customers(&self) -> Vec<ProposedTable> {
        let columns = ["customer_id", "segment", "city", "state", "joined_at"];
        self.table("customers", None, Vec::new(), &columns, Vec::new())
            .into_iter()
            .collect()
    }
}

/// The options with which a column's texts become the model's, and what is in doubt about them.
fn value(profile: &Profile, table: &'static str, column: &'static str) -> (From, Option<String>) {
    let mut options: Vec<(&'static str, toml::Value)> = Vec::new();
    let mut doubt = None;
    let kind = table_of(table)
        .and_then(|def| def.column(column))
        .map(|column| column.kind);
    match (kind, column) {
        (Some(Kind::Date | Kind::Timestamp), _) => {
            if let Some((pattern, said)) = profile.day_pattern() {
                let key = if profile.shape() == Shape::Instant {
                    "datetime"
                } else {
                    "date"
                };
                options.push((key, toml::Value::String(pattern)));
                doubt = said;
            }
        }
        (Some(Kind::Money), _)
            if !profile.money.keys().all(|code| code.is_empty()) || profile.share_of(Code::Money) < 0.95 =>
        {
            let digits = match profile.number_sample() {
                Some(_) => r"(-?[0-9](?:[0-9.,'’ \x{a0}\x{202f}]*[0-9])?)",
                None => r"([0-9]+(?:\.[0-9]{1,2})?)",
            };
            options.push(("pattern", toml::Value::String(digits.to_owned())));
            // Of prices, some are words: free, at the door.
            if column == "price" {
                options.push(("missing", toml::Value::String("null".to_owned())));
            }
        }
        (_, "country" | "home_country") if profile.share_of(Code::Country) < 0.98 => {
            if let Some(listed) = profile.listed.as_ref().filter(|listed| listed.len() <= MAX_MAPPED) {
                let unknown: Vec<&str> = listed
                    .keys()
                    .filter(|text| country(text).is_none())
                    .map(String::as_str)
                    .collect();
                let mut map = toml::Table::new();
                for text in listed.keys() {
                    let is_code = COUNTRIES.iter().any(|(code, _)| code == text);
                    if let (Some(code), false) = (country(text), is_code) {
                        map.insert(text.clone(), toml::Value::String(code.to_owned()));
                    }
                }
                options.push(("map", toml::Value::Table(map)));
                if !unknown.is_empty() {
                    doubt = Some(format!("not known as a country: {}", unknown.join(", ")));
                }
            } else {
                doubt =
                    Some("these are names, and the model has codes of two letters: give a map or a lookup".to_owned());
            }
        }
        (_, "status") => doubt = map_words(profile, &STATUS_WORDS, &mut options),
        (_, "venue_type") => doubt = map_words(profile, &VENUE_TYPE_WORDS, &mut options),
        _ => {}
    }
    if matches!(kind, Some(Kind::Integer | Kind::BigInt | Kind::Double | Kind::Money))
        && let Some(sample) = profile.number_sample()
    {
        options.push(("number", toml::Value::String(sample.to_owned())));
    }
    (
        From::Column {
            path: profile.path.clone(),
            options,
        },
        doubt,
    )
}

fn map_words(
    profile: &Profile,
    words: &[(&str, &str)],
    options: &mut Vec<(&'static str, toml::Value)>,
) -> Option<String> {
    let listed = profile.listed.as_ref()?;
    let mut map = toml::Table::new();
    let mut unknown = Vec::new();
    for text in listed.keys() {
        match words.iter().find(|(word, _)| *word == text.to_lowercase()) {
            Some((word, meaning)) if word == meaning => {
                map.insert(text.clone(), toml::Value::String((*meaning).to_owned()));
            }
            Some((_, meaning)) => {
                map.insert(text.clone(), toml::Value::String((*meaning).to_owned()));
            }
            None => unknown.push(text.as_str()),
        }
    }
    if map.iter().all(|(text, meaning)| meaning.as_str() == Some(text)) && unknown.is_empty() {
        return None;
    }
    options.push(("map", toml::Value::Table(map)));
    options.push(("missing", toml::Value::String("null".to_owned())));
    (!unknown.is_empty()).then(|| format!("left out, since the model has no such word: {}", unknown.join(", ")))
}

/// The way to the first list in a path, its brackets included.
fn list_of(from: &From) -> Option<String> {
    let path = match from {
        From::Column { path, .. } => path,
        From::Key(paths) => paths.iter().find(|path| path.contains("[*]"))?,
        From::Const(_) => return None,
    };
    path.find("[*]").map(|at| path[..at + 3].to_owned())
}

fn within(path: &str, list: Option<&str>) -> String {
    match list.and_then(|list| path.strip_prefix(list).map(|rest| (list, rest))) {
        Some((list, rest)) => format!("{list}{}", rest.replace("[*]", "[0]")),
        None => path.replace("[*]", "[0]"),
    }
}

/// Columns of the model whose names are somewhat like that of a column that has no place.
pub fn near(path: &str) -> Vec<String> {
    let name = words(path).concat();
    let mut near: Vec<(f64, String)> = PHRASES
        .iter()
        .filter_map(|(table, column, phrases)| {
            let likeness = phrases
                .iter()
                .map(|phrase| strsim::normalized_damerau_levenshtein(&words(phrase).concat(), &name))
                .fold(0.0, f64::max);
            (likeness >= MENTIONED_LIKENESS).then(|| (likeness, format!("{table}.{column}")))
        })
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut seen = BTreeSet::new();
    near.into_iter()
        .map(|(_, name)| name)
        .filter(|name| seen.insert(name.clone()))
        .take(2)
        .collect()
}
