//! Words that invented names are made of. Names come out plausible, unique and nobody's.

use rand::{Rng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use std::collections::{HashMap, HashSet};

const ADJECTIVES: &[&str] = &[
    "Amber",
    "Ancient",
    "Autumn",
    "Bitter",
    "Blind",
    "Brass",
    "Broken",
    "Burning",
    "Cardinal",
    "Cobalt",
    "Copper",
    "Crooked",
    "Distant",
    "Drowned",
    "Electric",
    "Feral",
    "Foreign",
    "Gentle",
    "Gilded",
    "Hollow",
    "Holy",
    "Hungry",
    "Idle",
    "Iron",
    "Ivory",
    "Lesser",
    "Lonesome",
    "Lunar",
    "Marble",
    "Midnight",
    "Modern",
    "Neon",
    "Northern",
    "Paper",
    "Patient",
    "Plastic",
    "Quiet",
    "Reckless",
    "Restless",
    "Rural",
    "Sacred",
    "Salt",
    "Second",
    "Silent",
    "Silver",
    "Slow",
    "Solar",
    "Static",
    "Sudden",
    "Tender",
    "Velvet",
    "Violet",
    "Wandering",
    "Wild",
    "Winter",
];
const NOUNS: &[&str] = &[
    "Acre",
    "Anchor",
    "Arcade",
    "Avenue",
    "Beacon",
    "Bird",
    "Border",
    "Canyon",
    "Cathedral",
    "Cinema",
    "Comet",
    "Coyote",
    "Crown",
    "Delta",
    "Ember",
    "Engine",
    "Fable",
    "Ferry",
    "Field",
    "Garden",
    "Ghost",
    "Harbor",
    "Heron",
    "Highway",
    "Horizon",
    "Hotel",
    "Kite",
    "Ladder",
    "Lantern",
    "Lion",
    "Meadow",
    "Mirror",
    "Monument",
    "Motel",
    "Ocean",
    "Orchard",
    "Orchid",
    "Parade",
    "Pilot",
    "Planet",
    "Prairie",
    "Radio",
    "Raven",
    "River",
    "Saint",
    "Satellite",
    "Season",
    "Shepherd",
    "Signal",
    "Sparrow",
    "Statue",
    "Station",
    "Summer",
    "Telegraph",
    "Thunder",
    "Tiger",
    "Tower",
    "Union",
    "Valley",
    "Weather",
    "Willow",
    "Window",
    "Wolf",
    "Wonder",
];
const FIRST: &[&str] = &[
    "Ada", "Aiden", "Amara", "Andre", "Anika", "Beatriz", "Callum", "Camila", "Caleb", "Dana", "Deja", "Desmond",
    "Elena", "Elias", "Esme", "Ezra", "Farah", "Felix", "Gloria", "Hana", "Hugo", "Imani", "Ines", "Isaac", "Jade",
    "Jonah", "Josie", "June", "Kaia", "Kofi", "Lena", "Leon", "Lila", "Luis", "Mae", "Marcus", "Mateo", "Mina",
    "Nadia", "Noel", "Nora", "Omar", "Opal", "Otis", "Paloma", "Priya", "Quentin", "Rafael", "Rosa", "Ruth", "Sami",
    "Selma", "Silas", "Tessa", "Theo", "Uma", "Vera", "Walter", "Wren", "Yara", "Zora",
];
const LAST: &[&str] = &[
    "Abbott",
    "Alvarez",
    "Asante",
    "Barlow",
    "Bellamy",
    "Bishop",
    "Boone",
    "Calloway",
    "Castillo",
    "Chandler",
    "Cortez",
    "Dalton",
    "Delgado",
    "Duarte",
    "Ellery",
    "Farrow",
    "Fontaine",
    "Garland",
    "Guerra",
    "Hale",
    "Hartley",
    "Hendry",
    "Ibarra",
    "Ito",
    "Jansen",
    "Keane",
    "Kimura",
    "Lachance",
    "Langley",
    "Lindqvist",
    "Lowe",
    "Madden",
    "Marlowe",
    "Mbeki",
    "Mercer",
    "Monroe",
    "Nakamura",
    "Navarro",
    "Novak",
    "Oakes",
    "Okafor",
    "Okonkwo",
    "Ortega",
    "Pace",
    "Park",
    "Patel",
    "Pruitt",
    "Quinn",
    "Ramsey",
    "Reyes",
    "Rhodes",
    "Salazar",
    "Sayers",
    "Sinclair",
    "Sorensen",
    "Tate",
    "Thorne",
    "Underwood",
    "Vance",
    "Vega",
    "Weller",
    "Whitlock",
    "Xu",
    "Yates",
    "Zamora",
];
const ROOMS: &[&str] = &[
    "Acorn",
    "Almanac",
    "Argyle",
    "Bellwether",
    "Birchwood",
    "Bluebird",
    "Brickyard",
    "Calico",
    "Century",
    "Civic",
    "Colonnade",
    "Commerce",
    "Corner",
    "Crescent",
    "Crossing",
    "Crystal",
    "Dogwood",
    "Eastside",
    "Empress",
    "Exchange",
    "Fairmount",
    "Fillmark",
    "Foundry",
    "Fulton",
    "Gaslight",
    "Granary",
    "Grand",
    "Guild",
    "Halcyon",
    "Highland",
    "Imperial",
    "Juniper",
    "Lakeside",
    "Lantern",
    "Liberty",
    "Lyceum",
    "Magnolia",
    "Majestic",
    "Marquee",
    "Meridian",
    "Metropole",
    "Midway",
    "Mill",
    "Mission",
    "Northgate",
    "Oakland",
    "Observatory",
    "Orpheum",
    "Palace",
    "Pantages",
    "Paragon",
    "Pavilion",
    "Pinewood",
    "Plaza",
    "Quarry",
    "Regent",
    "Republic",
    "Ritz",
    "Riverside",
    "Rosewood",
    "Sawmill",
    "Sherman",
    "Silverlake",
    "Southgate",
    "State",
    "Sterling",
    "Summit",
    "Tivoli",
    "Trocadero",
    "Union",
    "Uptown",
    "Vanguard",
    "Warehouse",
    "Westbrook",
    "Wharf",
    "Windsor",
];

const ENSEMBLES: &[&str] = &[
    "Band",
    "Chorus",
    "Club",
    "Collective",
    "Company",
    "Ensemble",
    "Family",
    "Orchestra",
    "Project",
    "Quartet",
    "Revival",
    "Revue",
    "Society",
    "Theory",
    "Trio",
    "Union",
];

fn pick<'a>(rng: &mut ChaCha8Rng, words: &'a [&'a str]) -> &'a str {
    words.choose(rng).copied().unwrap_or_default()
}

pub fn person(rng: &mut ChaCha8Rng) -> String {
    format!("{} {}", pick(rng, FIRST), pick(rng, LAST))
}

/// After this many tries the words are taken for exhausted.
const TRIES: usize = 12;

/// Gives out every name once.
#[derive(Default)]
pub struct Names {
    taken: HashSet<String>,
    sequels: HashMap<String, u32>,
}

impl Names {
    /// A name that was not given out yet. Where the words are exhausted a further word is put behind, and at last a
    /// number, as real sequels do.
    fn unique(&mut self, rng: &mut ChaCha8Rng, more: &[&str], make: impl Fn(&mut ChaCha8Rng) -> String) -> String {
        for attempt in 0..TRIES {
            let mut name = make(rng);
            if attempt >= TRIES / 2 && !more.is_empty() {
                name = format!("{name} {}", pick(rng, more));
            }
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
        let base = make(rng);
        let number = self.sequels.entry(base.clone()).or_insert(1);
        loop {
            *number += 1;
            let name = format!("{base} {number}");
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }

    /// A solo artist has a person's name, a band one of four shapes.
    pub fn artist(&mut self, rng: &mut ChaCha8Rng, solo: bool) -> String {
        let more = if solo { LAST } else { ENSEMBLES };
        self.unique(rng, more, |rng| {
            if solo {
                return person(rng);
            }
            let noun = pick(rng, NOUNS);
            match rng.random_range(0..4) {
                0 => format!("{} {noun}", pick(rng, ADJECTIVES)),
                1 => format!("The {} {}", pick(rng, ADJECTIVES), plural(noun)),
                2 => format!("{noun} {}", pick(rng, NOUNS)),
                _ => format!("{} & the {}", pick(rng, FIRST), plural(noun)),
            }
        })
    }

    /// A venue's name follows from its type; these are the names of one city.
    pub fn venue(&mut self, rng: &mut ChaCha8Rng, venue_type: &str, city: &str) -> String {
        self.unique(rng, &[], |rng| {
            let room = pick(rng, ROOMS);
            let choice = rng.random_range(0..3);
            match (venue_type, choice) {
                ("club", 0) => format!("The {room}"),
                ("club", 1) => format!("{room} Room"),
                ("club", _) => format!("Club {room}"),
                ("theater", 0) => format!("{room} Theater"),
                ("theater", 1) => format!("{room} Hall"),
                ("theater", _) => format!("{city} {room} Theater"),
                ("arena", 0) => format!("{city} Arena"),
                ("arena", 1) => format!("{room} Center"),
                ("arena", _) => format!("{room} Arena"),
                ("outdoor", 0) => format!("{room} Amphitheater"),
                ("outdoor", 1) => format!("{room} Park"),
                ("outdoor", _) => format!("{city} Waterfront Stage"),
                (_, 0) => format!("{city} Stadium"),
                (_, 1) => format!("{room} Field"),
                (_, _) => format!("{room} Stadium"),
            }
        })
    }
}

fn plural(noun: &str) -> String {
    if let Some(stem) = noun
        .strip_suffix('y')
        .filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']))
    {
        return format!("{stem}ies");
    }
    if noun == "Wolf" {
        return "Wolves".to_owned();
    }
    if noun.ends_with('s') || noun.ends_with("ch") {
        return format!("{noun}es");
    }
    format!("{noun}s")
}
