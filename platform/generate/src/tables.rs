//! The tables as they are written, and the rows of each: made for any stretch of things by itself.

use crate::{
    GenerateOptions,
    calendar::{SECONDS_PER_DAY, day_number},
    cities::CITIES,
    concerts::{Concert, Status},
    customers::Customers,
    frame::{Column, Frame, Kind, Table},
    random::Streams,
    world::{GENRES, VENUE_TYPES, World},
};
use std::ops::Range;

const COUNTRY: &str = "US";
pub const CURRENCY: &str = "USD";

const fn table(name: &'static str, key_columns: usize, columns: &'static [(&'static str, Kind)]) -> Table {
    Table {
        name,
        columns,
        key_columns,
    }
}

pub static ARTISTS: Table = table(
    "artists",
    1,
    &[
        ("artist_id", Kind::Text),
        ("name", Kind::Text),
        ("genre", Kind::Text),
        ("popularity_score", Kind::Double(1)),
        ("formation_date", Kind::Date),
        ("home_city", Kind::Text),
        ("home_country", Kind::Text),
        ("created_at", Kind::Time),
        ("updated_at", Kind::Time),
    ],
);

pub static ARTIST_GENRES: Table = table("artist_genres", 2, &[("artist_id", Kind::Text), ("genre", Kind::Text)]);

pub static ARTIST_MEMBERS: Table = table(
    "artist_members",
    2,
    &[("artist_id", Kind::Text), ("member", Kind::Text)],
);

pub static VENUES: Table = table(
    "venues",
    1,
    &[
        ("venue_id", Kind::Text),
        ("name", Kind::Text),
        ("city", Kind::Text),
        ("state", Kind::Text),
        ("country", Kind::Text),
        ("latitude", Kind::Double(5)),
        ("longitude", Kind::Double(5)),
        ("timezone", Kind::Text),
        ("capacity", Kind::Integer),
        ("venue_type", Kind::Text),
        ("created_at", Kind::Time),
        ("updated_at", Kind::Time),
    ],
);

pub static VENUE_AMENITIES: Table = table(
    "venue_amenities",
    2,
    &[("venue_id", Kind::Text), ("amenity", Kind::Text)],
);

pub static CUSTOMERS: Table = table(
    "customers",
    1,
    &[
        ("customer_id", Kind::Text),
        ("segment", Kind::Text),
        ("city", Kind::Text),
        ("state", Kind::Text),
        ("joined_at", Kind::Date),
    ],
);

pub static CONCERTS: Table = table(
    "concerts",
    1,
    &[
        ("concert_id", Kind::Text),
        ("artist_id", Kind::Text),
        ("venue_id", Kind::Text),
        ("event_date", Kind::Date),
        ("starts_at", Kind::Time),
        ("announced_at", Kind::Date),
        ("status", Kind::Text),
        ("total_attendance", Kind::Integer),
        ("revenue", Kind::Money),
        ("currency", Kind::Text),
        ("created_at", Kind::Time),
        ("updated_at", Kind::Time),
    ],
);

pub static CONCERT_PRICES: Table = table(
    "concert_prices",
    2,
    &[
        ("concert_id", Kind::Text),
        ("tier", Kind::Text),
        ("price", Kind::Money),
        ("currency", Kind::Text),
    ],
);

pub static TICKET_SALES: Table = table(
    "ticket_sales",
    1,
    &[
        ("sale_id", Kind::Text),
        ("concert_id", Kind::Text),
        ("customer_id", Kind::Text),
        ("price_tier", Kind::Text),
        ("quantity", Kind::Integer),
        ("unit_price", Kind::Money),
        ("currency", Kind::Text),
        ("channel", Kind::Text),
        ("purchase_timestamp", Kind::Time),
        ("customer_segment", Kind::Text),
        ("created_at", Kind::Time),
    ],
);

/// In the order in which they are made.
pub static TABLES: [&Table; 9] = [
    &ARTISTS,
    &ARTIST_GENRES,
    &ARTIST_MEMBERS,
    &VENUES,
    &VENUE_AMENITIES,
    &CUSTOMERS,
    &CONCERTS,
    &CONCERT_PRICES,
    &TICKET_SALES,
];

/// What was made so far and is held in memory.
pub struct Made {
    pub streams: Streams,
    pub world: World,
    pub concerts: Vec<Concert>,
    pub customers: Customers,
    /// When the world began to be written down, and the moment at which the data is made: midnights in UTC.
    pub begin: i64,
    pub end: i64,
}

impl Made {
    pub fn new(
        options: &GenerateOptions,
        streams: Streams,
        world: World,
        concerts: Vec<Concert>,
        customers: Customers,
    ) -> Made {
        Made {
            streams,
            world,
            concerts,
            customers,
            begin: i64::from(day_number(options.from)) * SECONDS_PER_DAY,
            end: i64::from(day_number(options.as_of)) * SECONDS_PER_DAY,
        }
    }
}

/// Rows of a table, and for each the number of the artist, the venue or the concert that it is about.
pub struct Rows {
    pub frame: Frame,
    pub about: Vec<usize>,
}

pub fn artist_id(index: usize) -> String {
    format!("artist-{:05}", index + 1)
}

pub fn venue_id(index: usize) -> String {
    format!("venue-{:05}", index + 1)
}

pub fn concert_id(index: usize) -> String {
    format!("concert-{:06}", index + 1)
}

pub fn push_concert_id(column: &mut Column, index: usize) {
    column.numbered("concert-", index as u64 + 1, 6);
}

pub fn push_customer_id(column: &mut Column, number: Option<u64>) {
    match number {
        Some(number) => column.numbered("customer-", number, 7),
        None => column.maybe_text(None),
    }
}

/// Artists, their genres and their members.
pub fn artists(made: &Made, stretch: Range<usize>) -> Vec<Rows> {
    let mut artists = Frame::new(&ARTISTS);
    let mut genres = Frame::new(&ARTIST_GENRES);
    let mut members = Frame::new(&ARTIST_MEMBERS);
    let (mut of_genres, mut of_members) = (Vec::new(), Vec::new());
    for index in stretch.clone() {
        let artist = &made.world.artists[index];
        let id = artist_id(index);
        if let [artist_id, name, genre, score, formed, city, country, created, updated] = &mut artists.columns[..] {
            artist_id.text(&id);
            name.text(&artist.name);
            genre.text(GENRES[artist.genre].name);
            score.double(artist.popularity);
            formed.integer(Some(artist.formation));
            city.text(CITIES[artist.home].name);
            country.text(COUNTRY);
            created.long(Some(made.begin));
            updated.long(Some(made.end));
        }
        for genre in [Some(artist.genre), artist.second_genre].into_iter().flatten() {
            genres.columns[0].text(&id);
            genres.columns[1].text(GENRES[genre].name);
            of_genres.push(index);
        }
        for member in &artist.members {
            members.columns[0].text(&id);
            members.columns[1].text(member);
            of_members.push(index);
        }
    }
    let rows = |frame, about| Rows { frame, about };
    vec![
        rows(artists, stretch.collect()),
        rows(genres, of_genres),
        rows(members, of_members),
    ]
}

/// Venues and their amenities.
pub fn venues(made: &Made, stretch: Range<usize>) -> Vec<Rows> {
    let mut venues = Frame::new(&VENUES);
    let mut amenities = Frame::new(&VENUE_AMENITIES);
    let mut of_amenities = Vec::new();
    for index in stretch.clone() {
        let venue = &made.world.venues[index];
        let city = &CITIES[venue.city];
        let id = venue_id(index);
        if let [
            venue_id,
            name,
            city_name,
            state,
            country,
            latitude,
            longitude,
            timezone,
            capacity,
            venue_type,
            created,
            updated,
        ] = &mut venues.columns[..]
        {
            venue_id.text(&id);
            name.text(&venue.name);
            city_name.text(city.name);
            state.text(city.state);
            country.text(COUNTRY);
            latitude.double(venue.latitude);
            longitude.double(venue.longitude);
            timezone.text(city.timezone);
            capacity.integer(venue.capacity_known.then_some(venue.capacity as i32));
            venue_type.text(VENUE_TYPES[venue.venue_type].name);
            created.long(Some(made.begin));
            updated.long(Some(made.end));
        }
        for amenity in &venue.amenities {
            amenities.columns[0].text(&id);
            amenities.columns[1].text(amenity);
            of_amenities.push(index);
        }
    }
    let rows = |frame, about| Rows { frame, about };
    vec![rows(venues, stretch.collect()), rows(amenities, of_amenities)]
}

/// Customers by their numbers, from 0.
pub fn customers(made: &Made, stretch: Range<usize>) -> Vec<Rows> {
    let mut customers = Frame::new(&CUSTOMERS);
    for number in stretch.clone() {
        let number = number as u64 + 1;
        let customer = made.customers.numbered(number);
        let home = &CITIES[made.customers.home(customer)];
        if let [id, segment, city, state, joined] = &mut customers.columns[..] {
            push_customer_id(id, Some(number));
            segment.text(made.customers.segment(customer).name);
            city.text(home.name);
            state.text(home.state);
            joined.integer(Some(made.customers.joined(customer)));
        }
    }
    vec![Rows {
        frame: customers,
        about: stretch.collect(),
    }]
}

/// Concerts and their prices.
pub fn concerts(made: &Made, stretch: Range<usize>) -> Vec<Rows> {
    let mut concerts = Frame::new(&CONCERTS);
    let mut prices = Frame::new(&CONCERT_PRICES);
    let mut of_prices = Vec::new();
    for index in stretch.clone() {
        let concert = &made.concerts[index];
        // The box office is known when the night is over.
        let over = concert.status == Status::Completed;
        // A concert is written down when it is announced, and its box office at noon of the next day.
        let announced = i64::from(concert.announced) * SECONDS_PER_DAY;
        let counted = (i64::from(concert.day) + 1) * SECONDS_PER_DAY + SECONDS_PER_DAY / 2;
        if let [
            id,
            artist,
            venue,
            day,
            starts_at,
            announced_at,
            status,
            attendance,
            revenue,
            currency,
            created,
            updated,
        ] = &mut concerts.columns[..]
        {
            push_concert_id(id, index);
            artist.numbered("artist-", u64::from(concert.artist) + 1, 5);
            venue.numbered("venue-", u64::from(concert.venue) + 1, 5);
            day.integer(Some(concert.day));
            starts_at.long(Some(concert.starts_at));
            announced_at.integer(Some(concert.announced));
            status.text(concert.status.name());
            attendance.integer(over.then_some(concert.tickets as i32));
            revenue.long(over.then(|| concert.revenue_cents()));
            currency.text(CURRENCY);
            created.long(Some(announced));
            updated.long(Some(if over { counted.min(made.end) } else { announced }));
        }
        for tier in concert.tiers() {
            push_concert_id(&mut prices.columns[0], index);
            prices.columns[1].text(tier.name);
            prices.columns[2].long(Some(concert.cents(tier)));
            prices.columns[3].text(CURRENCY);
            of_prices.push(index);
        }
    }
    let rows = |frame, about| Rows { frame, about };
    vec![rows(concerts, stretch.collect()), rows(prices, of_prices)]
}
