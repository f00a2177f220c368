//! The relations that an analyst or a model would look for, measured in the files: none of the generator's constants is
//! read here, so that what docs/data.md promises is what is found.

use crate::support::{AS_OF, Concert, World, correlation, mean, regress, world};
use jiff::civil::Date;
use std::collections::{HashMap, HashSet};

fn days(from: Date, to: Date) -> i32 {
    (to - from).get_days()
}

fn kilometres(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (north, east) = ((b.0 - a.0).to_radians(), (b.1 - a.1).to_radians());
    let h = (north / 2.0).sin().powi(2) + a.0.to_radians().cos() * b.0.to_radians().cos() * (east / 2.0).sin().powi(2);
    2.0 * 6_371.0 * h.sqrt().asin()
}

fn is_weekend(day: Date) -> bool {
    (4..=5).contains(&day.weekday().to_monday_zero_offset())
}

fn is_summer(day: Date) -> bool {
    (6..=8).contains(&day.month())
}

/// Finished concerts in rooms that were large enough: what was sold is what people wanted.
fn unconstrained(world: &World) -> Vec<(&Concert, f64)> {
    let mut usual: HashMap<&str, Vec<f64>> = HashMap::new();
    for concert in &world.concerts {
        if let Some(attendance) = concert.attendance {
            usual.entry(&concert.artist).or_default().push(attendance);
        }
    }
    for values in usual.values_mut() {
        values.sort_by(f64::total_cmp);
    }
    world
        .concerts
        .iter()
        .filter_map(|concert| {
            let attendance = concert.attendance?;
            let values = &usual[concert.artist.as_str()];
            let room = world.venues[&concert.venue].capacity?;
            (room > 1.4 * values[values.len() / 2]).then_some((concert, attendance))
        })
        .collect()
}

/// How many other concerts of the genre are in the city within a week.
fn rivals(world: &World) -> HashMap<&str, f64> {
    let mut by_place: HashMap<(&str, &str), Vec<&Concert>> = HashMap::new();
    for concert in &world.concerts {
        by_place
            .entry((world.city(concert), world.genre(concert)))
            .or_default()
            .push(concert);
    }
    let mut rivals = HashMap::new();
    for there in by_place.values() {
        for concert in there {
            let others = there
                .iter()
                .filter(|other| other.artist != concert.artist && days(concert.day, other.day).abs() <= 7);
            rivals.insert(concert.id.as_str(), others.count() as f64);
        }
    }
    rivals
}

#[test]
fn demand_follows_weekday_season_city_price_rivals_and_trend() {
    let world = world();
    let rivals = rivals(world);
    let mut people: HashMap<String, f64> = HashMap::new();
    for customer in world.customers.values() {
        *people
            .entry(format!("{}, {}", customer["city"], customer["state"]))
            .or_default() += 1.0;
    }
    let rising = |genre: &str| matches!(genre, "Latin" | "Country");
    let falling = |genre: &str| matches!(genre, "Rock" | "Metal" | "Jazz");
    let of = |is: bool, value: f64| if is { value } else { 0.0 };
    let rows: Vec<(&str, Vec<f64>, f64)> = unconstrained(world)
        .into_iter()
        .map(|(concert, attendance)| {
            let years = f64::from(days(AS_OF, concert.day)) / 365.25;
            let genre = world.genre(concert);
            let x = vec![
                of(is_weekend(concert.day), 1.0),
                of(is_summer(concert.day), 1.0),
                people[world.city(concert)].ln(),
                world.prices[&concert.id][0].1.ln(),
                rivals[concert.id.as_str()],
                of(rising(genre), years),
                of(falling(genre), years),
            ];
            (concert.artist.as_str(), x, attendance.ln())
        })
        .collect();
    assert!(rows.len() > 2_000, "{} concerts to learn from", rows.len());
    let found = regress(&rows);
    eprintln!("weekend, summer, city, price, rivals, rising, falling: {found:.3?}");
    // Each range excludes no effect; full rooms, which are not all gone, make effects look smaller than they are.
    for (name, found, range) in [
        ("weekend", found[0], 0.18..0.45),
        ("summer", found[1], 0.05..0.25),
        ("city size", found[2], 0.10..0.30),
        ("price", found[3], -1.0..-0.3),
        ("rivals", found[4], -0.14..-0.03),
        ("rising genres", found[5], 0.03..0.20),
        ("falling genres", found[6], -0.13..-0.01),
    ] {
        assert!(range.contains(&found), "{name}: {found}, not in {range:?}");
    }
}

#[test]
fn popular_artists_draw_more_and_a_few_draw_most() {
    let world = world();
    let mut drawn: HashMap<&str, Vec<f64>> = HashMap::new();
    for concert in &world.concerts {
        if let Some(attendance) = concert.attendance {
            drawn.entry(&concert.artist).or_default().push(attendance);
        }
    }
    let pairs: Vec<(f64, f64)> = drawn
        .iter()
        .map(|(artist, attendance)| {
            let score = world.artists[*artist]["popularity_score"].parse().unwrap();
            (score, mean(attendance.iter().copied()).ln())
        })
        .collect();
    let found = correlation(&pairs);
    assert!(
        (0.8..0.995).contains(&found),
        "popularity and attendance correlate by {found}"
    );

    let mut by_artist: Vec<f64> = drawn.values().map(|attendance| attendance.iter().sum()).collect();
    by_artist.sort_by(|a, b| b.total_cmp(a));
    let top: f64 = by_artist.iter().take(by_artist.len() / 20).sum();
    let share = top / by_artist.iter().sum::<f64>();
    assert!((0.2..0.7).contains(&share), "the top 5 % draw {share} of the people");
}

#[test]
fn rooms_are_never_over_capacity_and_revenue_comes_from_prices() {
    let world = world();
    let (mut sold_out, mut known) = (0.0, 0.0);
    for concert in &world.concerts {
        assert_eq!(
            concert.status == "completed",
            concert.attendance.is_some(),
            "{}",
            concert.id
        );
        let (Some(attendance), Some(revenue)) = (concert.attendance, concert.revenue) else {
            assert!(concert.revenue.is_none());
            continue;
        };
        if let Some(capacity) = world.venues[&concert.venue].capacity {
            assert!(attendance <= capacity, "{}", concert.id);
            sold_out += f64::from(u8::from(attendance == capacity));
            known += 1.0;
        }
        let prices = &world.prices[&concert.id];
        let (low, high) = (prices[0].1, prices[prices.len() - 1].1);
        assert!(
            attendance * low <= revenue + 0.005 && revenue <= attendance * high + 0.005,
            "{}",
            concert.id
        );
        if prices.len() == 1 {
            assert!((revenue - attendance * low).abs() < 0.005, "{}", concert.id);
        }
    }
    let share = sold_out / known;
    assert!((0.08..0.45).contains(&share), "{share} of the concerts are sold out");
}

#[test]
fn prices_rise_with_the_artist_the_room_the_seat_and_the_years() {
    let world = world();
    let rows: Vec<(&str, Vec<f64>, f64)> = world
        .concerts
        .iter()
        .filter_map(|concert| {
            let artist = &world.artists[&concert.artist];
            let x = vec![
                artist["popularity_score"].parse().unwrap(),
                world.venues[&concert.venue].capacity?.log10(),
                f64::from(days(AS_OF, concert.day)) / 365.25,
            ];
            Some(("", x, world.prices[&concert.id][0].1.ln()))
        })
        .collect();
    let found = regress(&rows);
    assert!(
        found.iter().all(|effect| *effect > 0.01),
        "popularity, capacity, years: {found:.3?}"
    );
    for prices in world.prices.values() {
        assert!(prices.windows(2).all(|pair| pair[0].1 < pair[1].1), "{prices:?}");
    }
}

#[test]
fn tours_go_from_city_to_city_near_by() {
    let world = world();
    let mut by_artist: HashMap<&str, Vec<&Concert>> = HashMap::new();
    for concert in &world.concerts {
        by_artist.entry(&concert.artist).or_default().push(concert);
    }
    let place = |concert: &Concert| world.venues[&concert.venue].place;
    let (mut legs, mut any) = (Vec::new(), Vec::new());
    for (index, nights) in by_artist.values_mut().enumerate() {
        nights.sort_by_key(|concert| concert.day);
        for pair in nights.windows(2) {
            let gap = days(pair[0].day, pair[1].day);
            assert!(gap > 0, "{} plays twice on {}", pair[0].artist, pair[0].day);
            if gap <= 4 {
                let leg = kilometres(place(pair[0]), place(pair[1]));
                assert!(leg < 960.0 * f64::from(gap), "{leg} km in {gap} days");
                legs.push(leg);
                any.push(kilometres(
                    place(pair[0]),
                    place(&world.concerts[index * 7 % world.concerts.len()]),
                ));
            }
        }
    }
    assert!(legs.len() > 5_000, "{} legs", legs.len());
    let (leg, other) = (mean(legs), mean(any));
    assert!(
        leg < 0.5 * other,
        "a leg has {leg} km, two concerts by chance are {other} km apart"
    );
}

#[test]
fn concerts_are_announced_in_time_and_some_lie_ahead() {
    let world = world();
    let mut nights = HashSet::new();
    let mut ahead = 0;
    for concert in &world.concerts {
        let notice = days(concert.announced, concert.day);
        assert!((30..=300).contains(&notice), "{}: {notice} days", concert.id);
        assert!(concert.announced < AS_OF, "{}", concert.id);
        assert!(
            nights.insert((&concert.venue, concert.day)),
            "{} is booked twice on {}",
            concert.venue,
            concert.day
        );
        let until = days(AS_OF, concert.day);
        assert!((-1_280..=180).contains(&until) && until != 0, "{}", concert.day);
        ahead += i32::from(until > 0);
        assert_eq!(
            concert.status != "cancelled",
            concert.status == if until > 0 { "scheduled" } else { "completed" }
        );
    }
    assert_eq!(ahead, 800, "8 % lie ahead");
    let cancelled = world
        .concerts
        .iter()
        .filter(|concert| concert.status == "cancelled")
        .count();
    assert!((100..320).contains(&cancelled), "{cancelled}");
    let months: HashSet<(i16, i8)> = world.concerts.iter().map(|c| (c.day.year(), c.day.month())).collect();
    assert!(
        months.len() >= 47,
        "there are concerts in every month: {}",
        months.len()
    );
}

#[test]
fn sales_begin_with_a_burst_and_rise_in_the_last_week() {
    let world = world();
    let concerts = world.by_id();
    // Days since the announcement, of concerts that were announced at least 60 days ahead and are over.
    let (mut burst, mut lull, mut rise, mut middle, mut all) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for sale in &world.sales {
        let concert = concerts[sale.concert.as_str()];
        assert_ne!(concert.status, "cancelled");
        let day = sale.at.to_zoned(jiff::tz::TimeZone::UTC).date();
        assert!(day >= concert.announced && day < AS_OF, "{} of {}", sale.at, concert.id);
        assert!(sale.at < latest_start(concert), "{} of {}", sale.at, concert.id);
        let notice = days(concert.announced, concert.day);
        if concert.status != "completed" || notice < 60 {
            continue;
        }
        let (since, until) = (days(concert.announced, day), days(day, concert.day));
        all += 1.0;
        // Sales of one day of each part.
        match (since, until) {
            (0..7, _) => burst += 1.0 / 7.0,
            (_, ..7) => rise += 1.0 / 7.0,
            _ => {
                lull += 1.0 / f64::from(notice - 14);
                middle += 1.0;
            }
        }
    }
    assert!(
        burst > 3.0 * lull,
        "a day of the first week sells {burst}, one of the lull {lull}"
    );
    assert!(
        rise > 2.0 * lull,
        "a day of the last week sells {rise}, one of the lull {lull}"
    );
    assert!(middle / all > 0.2, "the lull has {} of the sales", middle / all);
}

/// All nights begin between 19:00 and 20:30, four to eight hours behind UTC.
fn latest_start(concert: &Concert) -> jiff::Timestamp {
    let tomorrow = concert.day.tomorrow().unwrap();
    tomorrow
        .at(4, 30, 0, 0)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .unwrap()
        .timestamp()
}

#[test]
fn concerts_ahead_have_sold_a_part_that_grows_as_they_come_near() {
    let world = world();
    let concerts = world.by_id();
    let mut sold: HashMap<&str, f64> = HashMap::new();
    for sale in &world.sales {
        *sold.entry(sale.concert.as_str()).or_default() += sale.row["quantity"].parse::<f64>().unwrap();
    }
    let of_capacity = |pick: &dyn Fn(&Concert) -> bool| {
        let picked: Vec<&&Concert> = concerts.values().filter(|concert| pick(concert)).collect();
        let tickets: f64 = picked.iter().filter_map(|c| sold.get(c.id.as_str())).sum();
        let seats: f64 = picked.iter().filter_map(|c| world.venues[&c.venue].capacity).sum();
        tickets / seats
    };
    let over = of_capacity(&|c| c.status == "completed");
    let soon = of_capacity(&|c| c.status == "scheduled" && days(AS_OF, c.day) <= 30);
    let later = of_capacity(&|c| c.status == "scheduled" && days(AS_OF, c.day) > 90);
    assert!(0.0 < later && later < soon && soon < over, "{later} {soon} {over}");
}

#[test]
fn the_fraction_that_is_said_is_the_fraction_that_is_there() {
    let world = world();
    assert_eq!(world.report.tables["ticket_sales"], 60_000);
    let sampled: f64 = world
        .sales
        .iter()
        .map(|s| s.row["quantity"].parse::<f64>().unwrap())
        .sum();
    let over: f64 = world.concerts.iter().filter_map(|concert| concert.attendance).sum();
    let all = world.report.tickets as f64;
    assert!(
        over < all && all < 1.1 * over,
        "{all} tickets sold, {over} of them for nights that are over"
    );
    assert!((world.report.ticket_fraction - sampled / all).abs() < 1e-9);
    let (sales, tickets) = (world.report.sales_fraction, world.report.ticket_fraction);
    assert!((sales - tickets).abs() < 0.03 * tickets, "{sales} {tickets}");
    assert!(
        all > 12e6,
        "ten million purchases fit in the default world: {all} tickets"
    );
}

/// How often a customer's purchase has something in common with one that the customer made before.
fn repeated<'a>(purchases: impl Iterator<Item = (&'a str, String)>) -> f64 {
    let mut seen: HashSet<(&str, String)> = HashSet::new();
    let mut buyers: HashSet<&str> = HashSet::new();
    let (mut again, mut of) = (0.0, 0.0);
    for (customer, what) in purchases {
        if !buyers.insert(customer) {
            of += 1.0;
            again += f64::from(u8::from(seen.contains(&(customer, what.clone()))));
        }
        seen.insert((customer, what));
    }
    again / of
}

#[test]
fn customers_come_back_to_artists_genres_and_venues_and_live_near() {
    let world = world();
    let concerts = world.by_id();
    let mut sales: Vec<(&str, &Concert)> = world
        .sales
        .iter()
        .filter_map(|sale| Some((sale.customer.as_deref()?, concerts[sale.concert.as_str()])))
        .collect();
    sales.sort_by_key(|(_, concert)| concert.day);
    assert!(sales.len() > 45_000, "{} purchases have a customer", sales.len());
    // The same purchases with the customers dealt out anew, by a fixed shuffle.
    let mut order: Vec<usize> = (0..sales.len()).collect();
    order.sort_by_key(|index| (*index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let shuffled: Vec<(&str, &Concert)> = sales
        .iter()
        .zip(order)
        .map(|((_, concert), other)| (sales[other].0, *concert))
        .collect();
    let of = |sales: &[(&str, &Concert)], what: &dyn Fn(&Concert) -> String| {
        let purchases: Vec<(String, String)> = sales
            .iter()
            .map(|(customer, concert)| ((*customer).to_owned(), what(concert)))
            .collect();
        repeated(
            purchases
                .iter()
                .map(|(customer, what)| (customer.as_str(), what.clone())),
        )
    };
    for (name, what, times) in [
        (
            "artist",
            &(|c: &Concert| c.artist.clone()) as &dyn Fn(&Concert) -> String,
            3.0,
        ),
        ("venue", &|c: &Concert| c.venue.clone(), 5.0),
        ("city", &|c: &Concert| world.city(c).to_owned(), 3.0),
    ] {
        let (found, chance) = (of(&sales, what), of(&shuffled, what));
        eprintln!("{name}: {found:.3} against {chance:.3}");
        assert!(found > times * chance, "{name}: {found}, by chance {chance}");
    }

    // Of genres there are few: here it counts whether a purchase is of the same genre as the one before.
    let genre = |sales: &[(&str, &Concert)]| {
        let mut before: HashMap<&str, &str> = HashMap::new();
        mean(sales.iter().filter_map(|(customer, concert)| {
            let last = before.insert(customer, world.genre(concert))?;
            Some(f64::from(u8::from(last == world.genre(concert))))
        }))
    };
    let (found, chance) = (genre(&sales), genre(&shuffled));
    eprintln!("genre: {found:.3} against {chance:.3}");
    assert!(found > 2.0 * chance, "genre: {found}, by chance {chance}");

    let local = mean(sales.iter().map(|(customer, concert)| {
        let customer = &world.customers[*customer];
        f64::from(u8::from(
            format!("{}, {}", customer["city"], customer["state"]) == world.city(concert),
        ))
    }));
    assert!((0.5..0.9).contains(&local), "{local} live where the concert is");
    let buyers: HashSet<&str> = sales.iter().map(|(customer, _)| *customer).collect();
    assert!(sales.len() as f64 / buyers.len() as f64 > 2.5, "most buy a few times");
}

#[test]
fn segments_say_how_often_and_how_dear_people_buy() {
    let world = world();
    let mut bought: HashMap<&str, f64> = HashMap::new();
    let mut dear: HashMap<&str, (f64, f64)> = HashMap::new();
    for sale in &world.sales {
        let Some(customer) = &sale.customer else {
            assert!(sale.row["customer_segment"].is_empty());
            continue;
        };
        let customer = &world.customers[customer];
        assert_eq!(sale.row["customer_segment"], customer["segment"]);
        let joined: Date = customer["joined_at"].parse().unwrap();
        assert!(joined <= sale.at.to_zoned(jiff::tz::TimeZone::UTC).date());
        *bought.entry(&customer["segment"]).or_default() += 1.0;
        let tier = sale.row["price_tier"].as_str();
        if tier != "general" {
            let (seats, all) = dear.entry(&customer["segment"]).or_default();
            *seats += f64::from(u8::from(tier != "standard"));
            *all += 1.0;
        }
        let prices = &world.prices[&sale.concert];
        let price = prices.iter().find(|(name, _)| name == tier).unwrap().1;
        assert_eq!(sale.row["unit_price"].parse::<f64>().unwrap(), price);
    }
    let each = |segment: &str| {
        let people = world.customers.values().filter(|c| c["segment"] == segment).count();
        bought[segment] / people as f64
    };
    assert!(each("vip") > each("enthusiast") && each("enthusiast") > each("regular"));
    assert!(each("regular") > each("casual"));
    let share = |segment: &str| dear[segment].0 / dear[segment].1;
    assert!(
        share("vip") > 1.5 * share("casual"),
        "{} {}",
        share("vip"),
        share("casual")
    );
}

#[test]
fn channels_change_over_the_years_and_at_the_last_moment() {
    let world = world();
    let concerts = world.by_id();
    let share = |channel: &str, pick: &dyn Fn(&crate::support::Sale) -> bool| {
        let picked = world.sales.iter().filter(|sale| pick(sale));
        mean(picked.map(|sale| f64::from(u8::from(sale.row["channel"] == channel))))
    };
    let early = share("mobile", &|sale| sale.at.to_string().as_str() < "2024-06");
    let late = share("mobile", &|sale| sale.at.to_string().as_str() > "2025-06");
    assert!(late > early + 0.04, "{early} {late}");
    let days_left = |sale: &crate::support::Sale| {
        days(
            sale.at.to_zoned(jiff::tz::TimeZone::UTC).date(),
            concerts[sale.concert.as_str()].day,
        )
    };
    let (eve, before) = (
        share("box office", &|sale| days_left(sale) <= 1),
        share("box office", &|sale| days_left(sale) > 5),
    );
    assert!(eve > 2.0 * before, "{eve} {before}");
}
