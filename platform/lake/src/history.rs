//! Earlier snapshots: which are kept, and which one was current at a time.

use crate::{Error, Lake, Layer, Result, Snapshot};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// How many snapshots an error lists.
const LISTED: usize = 10;

impl Lake {
    /// The kept snapshots of `concert_dw`, the newest first. Only the current one has fingerprints.
    ///
    /// # Errors
    /// As [`Lake::snapshot`].
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> {
        self.layer_snapshots(Layer::ConcertDw)
    }

    /// The kept snapshots of a layer, the newest first.
    ///
    /// # Errors
    /// As [`Lake::snapshot`].
    pub fn layer_snapshots(&self, layer: Layer) -> Result<Vec<Snapshot>> {
        Ok(self.inner.home.pointer(layer)?.file.snapshots().cloned().collect())
    }

    /// The kept snapshot of `concert_dw` that `asked` means: an RFC 3339 instant (the snapshot that was current then),
    /// a date (at the end of that day, UTC), or a snapshot's id or its beginning.
    ///
    /// # Errors
    /// [`Error::NoSuchSnapshot`] when nothing that is kept fits, or several do; it says what is kept.
    pub fn snapshot_at(&self, asked: &str) -> Result<Snapshot> {
        let kept = self.snapshots()?;
        find(&kept, asked).cloned().map_err(|reason| Error::NoSuchSnapshot {
            asked: asked.to_owned(),
            kept: format!("{reason} {}", describe(&kept)),
        })
    }
}

fn find<'a>(kept: &'a [Snapshot], asked: &str) -> Result<&'a Snapshot, String> {
    let asked = asked.trim();
    if let Some(exact) = kept.iter().find(|snapshot| snapshot.id == asked) {
        return Ok(exact);
    }
    // A date first: the beginning of an id may look like one written without dashes, never like one with them.
    let instant = match asked.len() {
        10 => asked.parse::<Date>().ok().and_then(end_of_day),
        _ => None,
    };
    if instant.is_none() && !asked.is_empty() {
        let mut fitting = kept.iter().filter(|snapshot| snapshot.id.starts_with(asked));
        match (fitting.next(), fitting.next()) {
            (Some(one), None) => return Ok(one),
            (Some(_), Some(_)) => return Err("Several snapshots begin like that.".to_owned()),
            _ => {}
        }
    }
    let Some(instant) = instant.or_else(|| asked.parse::<Timestamp>().ok()) else {
        return Err(
            "It is no date (2026-03-01), no time (2026-03-01T18:00:00Z) and no beginning of a snapshot's id."
                .to_owned(),
        );
    };
    kept.iter()
        .find(|snapshot| {
            let published: Option<Timestamp> = snapshot.published_at.parse().ok();
            published.is_some_and(|published| published <= instant)
        })
        .ok_or_else(|| "Nothing that is kept was published by then.".to_owned())
}

/// The last instant of a day, UTC.
fn end_of_day(day: Date) -> Option<Timestamp> {
    let next = day.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    next.checked_sub(jiff::SignedDuration::from_nanos(1)).ok()
}

fn describe(kept: &[Snapshot]) -> String {
    if kept.is_empty() {
        return "Nothing is published yet: ingest something first.".to_owned();
    }
    let listed: Vec<String> = kept
        .iter()
        .take(LISTED)
        .map(|snapshot| format!("{} of {}", snapshot.id, snapshot.published_at))
        .collect();
    let more = match kept.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(", and {more} older ones"),
    };
    format!("Kept are {}{more}.", listed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_found_by_time_day_and_id() {
        let kept: Vec<Snapshot> = [
            ("20260302T080000Z-cc0000", "2026-03-02T08:00:00Z"),
            ("20260301T200000Z-bb0000", "2026-03-01T20:00:00Z"),
            ("20260301T080000Z-aa0000", "2026-03-01T08:00:00.5Z"),
        ]
        .map(|(id, published_at)| Snapshot {
            id: id.to_owned(),
            published_at: published_at.to_owned(),
            ..Snapshot::default()
        })
        .to_vec();
        for (asked, expected) in [
            ("2026-03-02T08:00:00Z", Ok("20260302T080000Z-cc0000")),
            ("2026-03-02T07:59:59Z", Ok("20260301T200000Z-bb0000")),
            ("2026-03-02T09:30:00+02:00", Ok("20260301T200000Z-bb0000")),
            ("2026-03-01", Ok("20260301T200000Z-bb0000")),
            ("2027-01-01", Ok("20260302T080000Z-cc0000")),
            (" 20260301T080000Z-aa0000 ", Ok("20260301T080000Z-aa0000")),
            ("20260302", Ok("20260302T080000Z-cc0000")),
            ("20260301", Err("Several")),
            ("2026-03-01T08:00:00Z", Err("Nothing that is kept")),
            ("2026-02-28", Err("Nothing that is kept")),
            ("yesterday", Err("no date")),
            ("2026-02-30", Err("no date")),
            ("", Err("no date")),
        ] {
            match (find(&kept, asked), expected) {
                (Ok(found), Ok(id)) => assert_eq!(found.id, id, "{asked}"),
                (Err(reason), Err(part)) => assert!(reason.contains(part), "{asked}: {reason}"),
                (found, expected) => panic!("{asked}: {found:?} instead of {expected:?}"),
            }
        }
        assert!(find(&[], "2026-03-01").is_err());
        assert!(describe(&kept).contains("20260301T200000Z-bb0000 of 2026-03-01T20:00:00Z"));
    }
}
