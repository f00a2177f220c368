//! Real cities: where venues stand, customers live and tours go.

/// A city of the United States.
pub struct City {
    pub name: &'static str,
    /// ISO 3166-2 without the country.
    pub state: &'static str,
    /// Degrees.
    pub latitude: f64,
    pub longitude: f64,
    /// IANA name.
    pub timezone: &'static str,
    /// People in the metropolitan area, in thousands, rounded.
    pub metro_thousands: f64,
}

const E: &str = "America/New_York";
const C: &str = "America/Chicago";
const M: &str = "America/Denver";
const A: &str = "America/Phoenix";
const P: &str = "America/Los_Angeles";

const fn city(
    name: &'static str,
    state: &'static str,
    latitude: f64,
    longitude: f64,
    timezone: &'static str,
    metro_thousands: f64,
) -> City {
    City {
        name,
        state,
        latitude,
        longitude,
        timezone,
        metro_thousands,
    }
}

pub const CITIES: &[City] = &[
    city("New York", "NY", 40.7128, -74.0060, E, 19_500.0),
    city("Los Angeles", "CA", 34.0522, -118.2437, P, 12_800.0),
    city("Chicago", "IL", 41.8781, -87.6298, C, 9_300.0),
    city("Dallas", "TX", 32.7767, -96.7970, C, 8_100.0),
    city("Houston", "TX", 29.7604, -95.3698, C, 7_500.0),
    city("Atlanta", "GA", 33.7490, -84.3880, E, 6_300.0),
    city("Washington", "DC", 38.9072, -77.0369, E, 6_300.0),
    city("Philadelphia", "PA", 39.9526, -75.1652, E, 6_200.0),
    city("Miami", "FL", 25.7617, -80.1918, E, 6_200.0),
    city("Phoenix", "AZ", 33.4484, -112.0740, A, 5_100.0),
    city("Boston", "MA", 42.3601, -71.0589, E, 4_900.0),
    city("San Francisco", "CA", 37.7749, -122.4194, P, 4_600.0),
    city("Detroit", "MI", 42.3314, -83.0458, E, 4_300.0),
    city("Seattle", "WA", 47.6062, -122.3321, P, 4_000.0),
    city("Minneapolis", "MN", 44.9778, -93.2650, C, 3_700.0),
    city("Tampa", "FL", 27.9506, -82.4572, E, 3_300.0),
    city("San Diego", "CA", 32.7157, -117.1611, P, 3_300.0),
    city("Denver", "CO", 39.7392, -104.9903, M, 3_000.0),
    city("Baltimore", "MD", 39.2904, -76.6122, E, 2_800.0),
    city("Orlando", "FL", 28.5383, -81.3792, E, 2_800.0),
    city("Charlotte", "NC", 35.2271, -80.8431, E, 2_800.0),
    city("St. Louis", "MO", 38.6270, -90.1994, C, 2_800.0),
    city("San Antonio", "TX", 29.4241, -98.4936, C, 2_700.0),
    city("Portland", "OR", 45.5152, -122.6784, P, 2_500.0),
    city("Austin", "TX", 30.2672, -97.7431, C, 2_500.0),
    city("Pittsburgh", "PA", 40.4406, -79.9959, E, 2_400.0),
    city("Sacramento", "CA", 38.5816, -121.4944, P, 2_400.0),
    city("Las Vegas", "NV", 36.1699, -115.1398, P, 2_300.0),
    city("Cincinnati", "OH", 39.1031, -84.5120, E, 2_300.0),
    city("Kansas City", "MO", 39.0997, -94.5786, C, 2_200.0),
    city("Columbus", "OH", 39.9612, -82.9988, E, 2_200.0),
    city("Cleveland", "OH", 41.4993, -81.6944, E, 2_200.0),
    city(
        "Indianapolis",
        "IN",
        39.7684,
        -86.1581,
        "America/Indiana/Indianapolis",
        2_100.0,
    ),
    city("Nashville", "TN", 36.1627, -86.7816, C, 2_100.0),
    city("San Jose", "CA", 37.3382, -121.8863, P, 1_900.0),
    city("Virginia Beach", "VA", 36.8529, -75.9780, E, 1_800.0),
    city("Jacksonville", "FL", 30.3322, -81.6557, E, 1_700.0),
    city("Providence", "RI", 41.8240, -71.4128, E, 1_700.0),
    city("Milwaukee", "WI", 43.0389, -87.9065, C, 1_600.0),
    city("Raleigh", "NC", 35.7796, -78.6382, E, 1_500.0),
    city("Oklahoma City", "OK", 35.4676, -97.5164, C, 1_500.0),
    city(
        "Louisville",
        "KY",
        38.2527,
        -85.7585,
        "America/Kentucky/Louisville",
        1_400.0,
    ),
    city("Richmond", "VA", 37.5407, -77.4360, E, 1_300.0),
    city("Memphis", "TN", 35.1495, -90.0490, C, 1_300.0),
    city("Salt Lake City", "UT", 40.7608, -111.8910, M, 1_300.0),
    city("Hartford", "CT", 41.7658, -72.6734, E, 1_200.0),
    city("Buffalo", "NY", 42.8864, -78.8784, E, 1_200.0),
    city("Birmingham", "AL", 33.5186, -86.8104, C, 1_100.0),
    city("Tucson", "AZ", 32.2226, -110.9747, A, 1_100.0),
    city("Rochester", "NY", 43.1566, -77.6088, E, 1_100.0),
    city("Tulsa", "OK", 36.1540, -95.9928, C, 1_000.0),
    city("New Orleans", "LA", 29.9511, -90.0715, C, 970.0),
    city("Omaha", "NE", 41.2565, -95.9345, C, 970.0),
    city("Albuquerque", "NM", 35.0844, -106.6504, M, 920.0),
    city("Boise", "ID", 43.6150, -116.2023, "America/Boise", 820.0),
    city("Des Moines", "IA", 41.5868, -93.6250, C, 740.0),
    city("Madison", "WI", 43.0731, -89.4012, C, 690.0),
    city("Spokane", "WA", 47.6588, -117.4260, P, 600.0),
    city("Portland", "ME", 43.6591, -70.2568, E, 560.0),
    city("Asheville", "NC", 35.5951, -82.5515, E, 480.0),
    city("Athens", "GA", 33.9519, -83.3576, E, 220.0),
    city("Burlington", "VT", 44.4759, -73.2121, E, 230.0),
    city("Missoula", "MT", 46.8721, -113.9940, M, 120.0),
];

/// Great-circle distance in kilometres (haversine).
pub fn distance_km(a: &City, b: &City) -> f64 {
    const EARTH_RADIUS_KM: f64 = 6_371.0;
    let (lat_a, lat_b) = (a.latitude.to_radians(), b.latitude.to_radians());
    let d_lat = lat_b - lat_a;
    let d_lon = (b.longitude - a.longitude).to_radians();
    let h = (d_lat / 2.0).sin().powi(2) + lat_a.cos() * lat_b.cos() * (d_lon / 2.0).sin().powi(2);
    2.0 * EARTH_RADIUS_KM * h.sqrt().min(1.0).asin()
}
