//! The words that sources use for what the model holds, and the codes that values are known by. It is data: a word is
//! added here, and nowhere else.

/// What a record can be about, and the words that say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entity {
    Concert,
    Sale,
    Venue,
    Artist,
    Customer,
}

impl Entity {
    pub const ALL: [Entity; 5] = [
        Entity::Concert,
        Entity::Sale,
        Entity::Venue,
        Entity::Artist,
        Entity::Customer,
    ];

    pub fn table(self) -> &'static str {
        match self {
            Entity::Concert => "concerts",
            Entity::Sale => "ticket_sales",
            Entity::Venue => "venues",
            Entity::Artist => "artists",
            Entity::Customer => "customers",
        }
    }

    pub fn words(self) -> &'static [&'static str] {
        match self {
            Entity::Concert => &["concert", "event", "show", "gig", "performance", "fixture"],
            Entity::Sale => &["sale", "order", "purchase", "transaction", "booking", "ticket"],
            Entity::Venue => &[
                "venue", "hall", "place", "club", "room", "arena", "theater", "theatre", "stadium", "location",
            ],
            Entity::Artist => &[
                "artist",
                "band",
                "performer",
                "act",
                "attraction",
                "musician",
                "headliner",
            ],
            Entity::Customer => &["customer", "client", "buyer", "user", "fan"],
        }
    }
}

/// Words that say nothing about what stands below them.
pub const STRUCTURE: [&str; 26] = [
    "embedded",
    "body",
    "data",
    "item",
    "result",
    "record",
    "row",
    "info",
    "detail",
    "attribute",
    "value",
    "text",
    "main",
    "address",
    "location",
    "geo",
    "position",
    "coordinate",
    "primary",
    "list",
    "date",
    "start",
    "properties",
    "field",
    "document",
    "classification",
];

/// Names that mean something only with what they stand in.
pub const GENERIC: [&str; 12] = [
    "id", "name", "type", "code", "title", "date", "key", "city", "state", "country", "status", "kind",
];

/// For each column of the model, the names that sources give it.
pub const PHRASES: [(&str, &str, &[&str]); 59] = [
    (
        "artists",
        "artist_id",
        &[
            "artist id",
            "band id",
            "performer id",
            "attraction id",
            "act id",
            "artist key",
            "artist code",
            "artist number",
            "id",
            "key",
            "code",
        ],
    ),
    (
        "artists",
        "name",
        &[
            "artist",
            "artist name",
            "band",
            "band name",
            "performer",
            "performer name",
            "act",
            "act name",
            "headliner",
            "attraction name",
            "musician",
            "event name",
            "headline act",
            "main act",
            "headlining act",
            "künstler",
            "interpret",
            "artiste",
            "groupe",
            "artista",
            "artiest",
            "name",
        ],
    ),
    (
        "artists",
        "genre",
        &["genre", "genre name", "main genre", "music genre", "style"],
    ),
    ("artists", "popularity_score", &["popularity", "popularity score"]),
    (
        "artists",
        "formation_date",
        &[
            "formation date",
            "formed",
            "formed on",
            "founded",
            "formation",
            "life span begin",
            "begin date",
            "established",
            "active since",
        ],
    ),
    (
        "artists",
        "home_city",
        &[
            "home city",
            "hometown",
            "home town",
            "origin city",
            "begin area name",
            "city",
        ],
    ),
    (
        "artists",
        "home_country",
        &["home country", "origin country", "country of origin", "country"],
    ),
    ("artists", "spotify_id", &["spotify id", "spotify artist id"]),
    (
        "artists",
        "musicbrainz_id",
        &["musicbrainz id", "mbid", "musicbrainz", "gid"],
    ),
    ("artists", "created_at", &["artist created at"]),
    (
        "artist_genres",
        "genre",
        &["genre", "genre name", "tag", "tag name", "style"],
    ),
    (
        "artist_members",
        "member",
        &["member", "member name", "musician", "line up"],
    ),
    (
        "venues",
        "venue_id",
        &[
            "venue id",
            "hall id",
            "place id",
            "location id",
            "venue key",
            "venue code",
            "venue number",
            "id",
            "key",
            "code",
        ],
    ),
    (
        "venues",
        "name",
        &[
            "venue",
            "venue name",
            "hall",
            "hall name",
            "place name",
            "location name",
            "room name",
            "club name",
            "theater name",
            "room",
            "club",
            "theater",
            "theatre",
            "arena",
            "spielstätte",
            "veranstaltungsort",
            "salle",
            "lieu",
            "sala",
            "recinto",
            "zaal",
            "name",
        ],
    ),
    (
        "venues",
        "city",
        &[
            "city",
            "city name",
            "venue city",
            "town",
            "town name",
            "locality",
            "municipality",
            "stadt",
            "ort",
            "ville",
            "ciudad",
            "città",
            "plaats",
        ],
    ),
    (
        "venues",
        "state",
        &[
            "state",
            "state code",
            "venue state",
            "province",
            "region",
            "subdivision",
            "state province",
            "region code",
        ],
    ),
    (
        "venues",
        "country",
        &["country", "country code", "venue country", "country name", "nation"],
    ),
    (
        "venues",
        "latitude",
        &["latitude", "lat", "y", "geo lat", "venue latitude"],
    ),
    (
        "venues",
        "longitude",
        &["longitude", "lon", "lng", "long", "x", "geo lon", "venue longitude"],
    ),
    ("venues", "timezone", &["timezone", "time zone", "tz"]),
    (
        "venues",
        "capacity",
        &[
            "capacity",
            "venue capacity",
            "seats",
            "venue seats",
            "max capacity",
            "seating capacity",
            "number of seats",
            "places",
            "cap",
            "kapazität",
            "plätze",
            "capacité",
            "capacidad",
            "capienza",
            "capaciteit",
        ],
    ),
    ("venues", "venue_type", &["venue type", "type of venue", "type", "kind"]),
    (
        "venues",
        "ticketmaster_id",
        &["ticketmaster id", "ticketmaster venue id"],
    ),
    (
        "venue_amenities",
        "amenity",
        &["amenity", "amenity name", "facility", "feature"],
    ),
    (
        "concerts",
        "concert_id",
        &[
            "concert id",
            "event id",
            "show id",
            "gig id",
            "performance id",
            "concert key",
            "event code",
            "concert number",
            "id",
            "key",
            "code",
        ],
    ),
    (
        "concerts",
        "event_date",
        &[
            "event date",
            "concert date",
            "show date",
            "gig date",
            "performance date",
            "local date",
            "date",
            "day",
            "start date",
            "event day",
            "starttime",
            "start time",
            "starts at",
            "datetime",
            "date time",
            "date played",
            "datum",
            "fecha",
            "data",
        ],
    ),
    (
        "concerts",
        "starts_at",
        &[
            "starts at",
            "start time",
            "starttime",
            "start datetime",
            "date time",
            "datetime",
            "start date time",
        ],
    ),
    (
        "concerts",
        "announced_at",
        &[
            "announced",
            "announced at",
            "announcement date",
            "announce date",
            "announced on",
        ],
    ),
    (
        "concerts",
        "status",
        &["status", "event status", "concert status", "status code", "show status"],
    ),
    (
        "concerts",
        "total_attendance",
        &[
            "attendance",
            "total attendance",
            "attendee",
            "crowd",
            "audience",
            "number of attendees",
            "visitors",
            "attended",
            "headcount",
            "turnout",
            "tickets sold",
            "sold",
            "paid",
            "besucher",
            "zuschauer",
            "spectateur",
            "asistencia",
            "asistente",
            "spettatori",
            "bezoekers",
        ],
    ),
    (
        "concerts",
        "revenue",
        &[
            "revenue",
            "gross",
            "box office",
            "gross revenue",
            "total revenue",
            "takings",
            "total gross",
            "gross sales",
            "ticket revenue",
            "turnover",
            "umsatz",
            "einnahmen",
            "recette",
            "ingreso",
            "recaudación",
            "incasso",
            "omzet",
        ],
    ),
    ("concerts", "currency", &["currency", "currency code", "price currency"]),
    (
        "concert_prices",
        "tier",
        &[
            "tier",
            "price tier",
            "price type",
            "price range type",
            "ticket type",
            "price level",
            "price category",
        ],
    ),
    (
        "concert_prices",
        "price",
        &[
            "price",
            "ticket price",
            "door price",
            "min price",
            "price min",
            "price range min",
            "face value",
            "admission",
            "entry fee",
            "cover charge",
            "list price",
            "preis",
            "eintritt",
            "prix",
            "precio",
            "prezzo",
            "prijs",
        ],
    ),
    (
        "concert_prices",
        "currency",
        &["currency", "currency code", "price currency", "price range currency"],
    ),
    (
        "customers",
        "customer_id",
        &[
            "customer id",
            "client id",
            "buyer id",
            "user id",
            "customer number",
            "customer key",
            "id",
            "key",
            "code",
        ],
    ),
    (
        "customers",
        "segment",
        &["segment", "customer segment", "customer group", "customer type"],
    ),
    ("customers", "city", &["city", "customer city", "home city", "town"]),
    ("customers", "state", &["state", "customer state", "province", "region"]),
    (
        "customers",
        "joined_at",
        &[
            "joined",
            "joined at",
            "join date",
            "signup date",
            "sign up date",
            "registered",
            "registration date",
            "member since",
            "customer since",
        ],
    ),
    (
        "ticket_sales",
        "sale_id",
        &[
            "sale id",
            "sales id",
            "order id",
            "transaction id",
            "purchase id",
            "booking id",
            "ticket id",
            "order number",
            "id",
            "key",
            "code",
        ],
    ),
    (
        "ticket_sales",
        "concert_id",
        &[
            "concert id",
            "event id",
            "show id",
            "gig id",
            "performance id",
            "event code",
        ],
    ),
    (
        "ticket_sales",
        "customer_id",
        &[
            "customer id",
            "client id",
            "buyer id",
            "user id",
            "customer number",
            "customer",
        ],
    ),
    (
        "ticket_sales",
        "price_tier",
        &[
            "tier",
            "price tier",
            "price type",
            "ticket type",
            "ticket category",
            "section",
        ],
    ),
    (
        "ticket_sales",
        "quantity",
        &[
            "quantity",
            "qty",
            "tickets",
            "ticket count",
            "number of tickets",
            "num tickets",
            "qty sold",
            "tickets bought",
            "tickets sold",
            "count",
        ],
    ),
    (
        "ticket_sales",
        "unit_price",
        &[
            "unit price",
            "price per ticket",
            "ticket price",
            "price",
            "price each",
            "price paid per ticket",
        ],
    ),
    (
        "ticket_sales",
        "currency",
        &["currency", "currency code", "price currency"],
    ),
    (
        "ticket_sales",
        "channel",
        &["channel", "sales channel", "sale channel", "platform", "outlet"],
    ),
    (
        "ticket_sales",
        "purchase_timestamp",
        &[
            "purchase timestamp",
            "purchase date",
            "purchased at",
            "purchase time",
            "sale time",
            "sale date",
            "order date",
            "ordered at",
            "sold at",
            "transaction date",
            "bought at",
            "timestamp",
            "date",
        ],
    ),
    ("ticket_sales", "customer_segment", &["customer segment", "segment"]),
    (
        "concerts",
        "artist_id",
        &["artist id", "band id", "performer id", "attraction id", "act id"],
    ),
    (
        "concerts",
        "venue_id",
        &["venue id", "hall id", "place id", "location id", "venue code"],
    ),
    (
        "concert_prices",
        "concert_id",
        &["concert id", "event id", "show id", "gig id"],
    ),
    ("artist_genres", "artist_id", &["artist id", "band id", "performer id"]),
    ("artist_members", "artist_id", &["artist id", "band id", "performer id"]),
    ("venue_amenities", "venue_id", &["venue id", "hall id", "place id"]),
    ("venues", "created_at", &["venue created at"]),
    ("concerts", "created_at", &["concert created at"]),
    ("ticket_sales", "created_at", &["sale created at"]),
];

/// Currencies that amounts are written with, by sign or by word.
pub const MONEY_SIGNS: [(&str, &str); 22] = [
    ("US$", "USD"),
    ("C$", "CAD"),
    ("CA$", "CAD"),
    ("A$", "AUD"),
    ("NZ$", "NZD"),
    ("$", "USD"),
    ("€", "EUR"),
    ("£", "GBP"),
    ("¥", "JPY"),
    ("₹", "INR"),
    ("₩", "KRW"),
    ("zł", "PLN"),
    ("Kč", "CZK"),
    ("R$", "BRL"),
    ("CHF", "CHF"),
    ("kr", "SEK"),
    ("pounds", "GBP"),
    ("pound", "GBP"),
    ("euros", "EUR"),
    ("euro", "EUR"),
    ("dollars", "USD"),
    ("DM", "DEM"),
];

/// ISO 4217 codes in use, and a few that old sources have.
pub const CURRENCIES: &str = " AED ARS ATS AUD BEF BGN BHD BRL CAD CHF CLP CNY COP CZK DEM DKK EGP ESP EUR FIM FRF GBP GRD HKD HRK \
HUF IDR IEP ILS INR ISK ITL JPY KRW KWD MAD MXN MYR NLG NOK NZD OMR PEN PHP PLN PTE QAR RON RSD RUB SAR SEK SGD THB TRY TWD \
UAH USD UYU VND YUM ZAR ";

/// ISO 3166-1 codes of countries, with the English names that people write.
pub const COUNTRIES: [(&str, &[&str]); 62] = [
    ("AR", &["argentina"]),
    ("AU", &["australia"]),
    ("AT", &["austria"]),
    ("BE", &["belgium"]),
    ("BG", &["bulgaria"]),
    ("BR", &["brazil", "brasil"]),
    ("CA", &["canada"]),
    ("CH", &["switzerland"]),
    ("CL", &["chile"]),
    ("CN", &["china"]),
    ("CO", &["colombia"]),
    ("CR", &["costa rica"]),
    ("CZ", &["czech republic", "czechia"]),
    ("CS", &["czechoslovakia"]),
    ("DE", &["germany", "west germany", "deutschland"]),
    ("DK", &["denmark"]),
    ("EE", &["estonia"]),
    ("EG", &["egypt"]),
    ("ES", &["spain"]),
    ("FI", &["finland"]),
    ("FR", &["france"]),
    (
        "GB",
        &[
            "united kingdom",
            "uk",
            "u.k.",
            "great britain",
            "england",
            "scotland",
            "wales",
            "northern ireland",
        ],
    ),
    ("GR", &["greece"]),
    ("HK", &["hong kong"]),
    ("HR", &["croatia"]),
    ("HU", &["hungary"]),
    ("ID", &["indonesia"]),
    ("IE", &["ireland"]),
    ("IL", &["israel"]),
    ("IN", &["india"]),
    ("IS", &["iceland"]),
    ("IT", &["italy"]),
    ("JP", &["japan"]),
    ("KR", &["south korea", "korea"]),
    ("LT", &["lithuania"]),
    ("LU", &["luxembourg"]),
    ("LV", &["latvia"]),
    ("MA", &["morocco"]),
    ("MX", &["mexico"]),
    ("MY", &["malaysia"]),
    ("NL", &["netherlands", "holland", "the netherlands"]),
    ("NO", &["norway"]),
    ("NZ", &["new zealand"]),
    ("PE", &["peru"]),
    ("PH", &["philippines"]),
    ("PL", &["poland"]),
    ("PT", &["portugal"]),
    ("RO", &["romania"]),
    ("RS", &["serbia"]),
    ("RU", &["russia"]),
    ("SE", &["sweden"]),
    ("SG", &["singapore"]),
    ("SI", &["slovenia"]),
    ("SK", &["slovakia"]),
    ("TH", &["thailand"]),
    ("TR", &["turkey"]),
    ("TW", &["taiwan"]),
    ("UA", &["ukraine"]),
    (
        "US",
        &["usa", "u.s.a.", "united states", "united states of america", "us of a"],
    ),
    ("UY", &["uruguay"]),
    ("YU", &["yugoslavia"]),
    ("ZA", &["south africa"]),
];

/// States of the United States and provinces of Canada.
pub const STATES: &str = " AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH \
OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY AB BC MB NB NL NS ON PE QC SK ";

/// What sources call the model's words.
pub const STATUS_WORDS: [(&str, &str); 12] = [
    ("scheduled", "scheduled"),
    ("planned", "scheduled"),
    ("upcoming", "scheduled"),
    ("onsale", "scheduled"),
    ("on sale", "scheduled"),
    ("completed", "completed"),
    ("done", "completed"),
    ("played", "completed"),
    ("past", "completed"),
    ("cancelled", "cancelled"),
    ("canceled", "cancelled"),
    ("abgesagt", "cancelled"),
];

pub const VENUE_TYPE_WORDS: [(&str, &str); 20] = [
    ("arena", "arena"),
    ("coliseum", "arena"),
    ("theater", "theater"),
    ("theatre", "theater"),
    ("concert hall", "theater"),
    ("hall", "theater"),
    ("opera house", "theater"),
    ("auditorium", "theater"),
    ("club", "club"),
    ("nightclub", "club"),
    ("bar", "club"),
    ("pub", "club"),
    ("outdoor", "outdoor"),
    ("amphitheater", "outdoor"),
    ("amphitheatre", "outdoor"),
    ("open air", "outdoor"),
    ("park", "outdoor"),
    ("festival ground", "outdoor"),
    ("stadium", "stadium"),
    ("ballpark", "stadium"),
];

/// The code of a country that is written as a name or a code.
pub fn country(text: &str) -> Option<&'static str> {
    let lower = text.trim().to_lowercase();
    COUNTRIES
        .iter()
        .find(|(code, names)| code.eq_ignore_ascii_case(&lower) || names.contains(&lower.as_str()))
        .map(|(code, _)| *code)
}

pub fn is_in(list: &str, code: &str) -> bool {
    !code.contains(' ') && !code.is_empty() && list.contains(&format!(" {code} "))
}

/// A name as words: cut at punctuation and capitals, in lower case, one of many made one.
pub fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut last = ' ';
    for c in name.chars() {
        let cuts = !c.is_alphanumeric() || (c.is_uppercase() && last.is_lowercase());
        if cuts && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        last = c;
    }
    if !word.is_empty() {
        words.push(word);
    }
    // Positions in lists are no names, and "date of show" is a show's date.
    words.retain(|word| !word.chars().all(|c| c.is_ascii_digit()));
    if let Some(at) = words.iter().position(|word| word == "of")
        && at > 0
        && at + 1 < words.len()
    {
        let behind = words.split_off(at + 1);
        words.pop();
        words = behind.into_iter().chain(words).collect();
    }
    words.iter().map(|word| single(word)).collect()
}

fn single(word: &str) -> String {
    let keeps = [
        "ss", "us", "is", "gross", "status", "series", "tickets", "seats", "takings", "visitors",
    ];
    match word {
        _ if keeps.iter().any(|ending| word.ends_with(ending)) || word.len() < 4 => word.to_owned(),
        _ if word.ends_with("ies") => format!("{}y", &word[..word.len() - 3]),
        _ => word.strip_suffix('s').unwrap_or(word).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use concert_lake::schema::MODEL;

    #[test]
    fn every_phrase_is_of_a_column_of_the_model() {
        for (table, column, phrases) in PHRASES {
            let table = MODEL.iter().find(|def| def.name == table).expect(table);
            assert!(table.column(column).is_some(), "{column}");
            assert!(!phrases.is_empty());
        }
    }

    #[test]
    fn names_are_cut_into_words() {
        for (name, wanted) in [
            ("showDate", "show date"),
            ("_embedded.venues[*].city.name", "embedded venue city name"),
            ("Date of show", "show date"),
            ("begin-area.name", "begin area name"),
            ("genres[*]", "genre"),
            ("STATUS", "status"),
            ("total_attendance", "total attendance"),
        ] {
            assert_eq!(words(name).join(" "), wanted);
        }
    }
}
