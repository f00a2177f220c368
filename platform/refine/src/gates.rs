//! What must hold before the pointer moves: nothing was lost or doubled on the way from clean, references are as whole
//! as they were, and every mart adds up to what it was made from. `concert doctor` asks the same of what is published.

use crate::{
    Breach, Result,
    content::{Digest, Work, number, rows, shown, side_by_side},
};
use datafusion::prelude::SessionContext;
use futures::FutureExt as _;
use serde::Serialize;

/// How many examples a message names.
const MAX_EXAMPLES: usize = 3;

/// A column whose values are keys of another table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    pub table: &'static str,
    /// Also the name of the key that it refers to.
    pub column: &'static str,
    pub to: &'static str,
}

const fn reference(table: &'static str, column: &'static str, to: &'static str) -> Reference {
    Reference { table, column, to }
}

/// Every reference of the model.
pub const REFERENCES: [Reference; 8] = [
    reference("artist_genres", "artist_id", "artists"),
    reference("artist_members", "artist_id", "artists"),
    reference("venue_amenities", "venue_id", "venues"),
    reference("concerts", "artist_id", "artists"),
    reference("concerts", "venue_id", "venues"),
    reference("concert_prices", "concert_id", "concerts"),
    reference("ticket_sales", "concert_id", "concerts"),
    reference("ticket_sales", "customer_id", "customers"),
];

impl Reference {
    /// How many rows refer to nothing. A source may bring concerts before their venues, so this need not be 0.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub async fn dangling(&self, session: &SessionContext) -> Result<u64> {
        let Reference { table, column, to } = self;
        let sql = format!(
            "SELECT count(*) FROM {table} WHERE {column} IS NOT NULL AND NOT EXISTS \
             (SELECT 1 FROM {to} WHERE {to}.{column} = {table}.{column})"
        );
        number(session, &sql).await
    }
}

/// Rows of a table that refer to rows that are not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dangling {
    pub table: &'static str,
    pub column: &'static str,
    pub to: &'static str,
    pub rows: u64,
}

/// All references that lead nowhere, with how many rows have them.
///
/// # Errors
/// The tables cannot be read.
pub async fn dangling(session: &SessionContext) -> Result<Vec<Dangling>> {
    let counted = side_by_side(REFERENCES.iter().map(|reference| counted(session, reference)).collect()).await?;
    let found = REFERENCES.iter().zip(counted).filter(|(_, rows)| *rows > 0);
    Ok(found
        .map(|(reference, rows)| Dangling {
            table: reference.table,
            column: reference.column,
            to: reference.to,
            rows,
        })
        .collect())
}

fn counted(session: &SessionContext, reference: &'static Reference) -> Work<u64> {
    let session = session.clone();
    async move { reference.dangling(&session).await }.boxed()
}

/// Publishing must not break a reference that is whole in clean.
pub(crate) async fn references(
    clean: &SessionContext,
    published: &SessionContext,
    changed: impl Fn(&str) -> bool,
) -> Result<Vec<Breach>> {
    let mut breaches = Vec::new();
    let looked_at: Vec<&Reference> = REFERENCES
        .iter()
        .filter(|r| changed(r.table) || changed(r.to))
        .collect();
    let works = looked_at
        .iter()
        .map(|reference| counted(published, reference))
        .collect();
    for (reference, after) in looked_at.iter().zip(side_by_side(works).await?) {
        if after == 0 {
            continue;
        }
        let before = reference.dangling(clean).await?;
        if after > before {
            breaches.push(Breach {
                gate: "references",
                message: format!(
                    "{after} rows of {} would have a {} that {} does not have, of {before} in the clean layer",
                    reference.table, reference.column, reference.to
                ),
            });
        }
    }
    Ok(breaches)
}

/// A table that was written against the rows that were to go into it: as many, each key once, nothing required missing.
pub(crate) async fn table(session: &SessionContext, digest: &mut Digest, written_rows: u64) -> Result<Vec<Breach>> {
    let mut breaches = Vec::new();
    let table = digest.table();
    if written_rows != digest.rows() {
        breaches.push(Breach {
            gate: "rows",
            message: format!(
                "{} would have {written_rows} rows, and {} were to be in it; check that the disk is sound, and publish \
                 again",
                table.name,
                digest.rows()
            ),
        });
    }
    if digest.has_suspects() {
        let key = table.key.join(", ");
        let sql = format!(
            "SELECT {key}, count(*) FROM {} GROUP BY {key} HAVING count(*) > 1 ORDER BY {key} LIMIT {MAX_EXAMPLES}",
            table.name
        );
        let examples = examples(session, &sql).await?;
        if !examples.is_empty() {
            breaches.push(Breach {
                gate: "keys",
                message: format!(
                    "{} would have rows with one key ({key}, and how often): {}; quarantine all but one of them",
                    table.name,
                    examples.join(", ")
                ),
            });
        }
    }
    for (column, nulls) in digest.missing() {
        breaches.push(Breach {
            gate: "required",
            message: format!(
                "{nulls} rows of {} would have no {column}, which every row needs",
                table.name
            ),
        });
    }
    Ok(breaches)
}

/// A query that gives one row for each thing that is wrong.
struct Gate {
    name: &'static str,
    /// What is wrong if there are rows; the rows follow as examples.
    says: &'static str,
    sql: &'static str,
}

const MARTS: [Gate; 5] = [
    Gate {
        name: "daily_sales",
        says: "daily_sales does not add up to ticket_sales (currency, tickets and revenue there, then here)",
        sql: "SELECT coalesce(s.currency, d.currency), s.tickets, s.revenue, d.tickets, d.revenue \
              FROM (SELECT currency, sum(CAST(quantity AS BIGINT)) AS tickets, \
                    CAST(sum(quantity * unit_price) AS DECIMAL(38, 2)) AS revenue FROM ticket_sales GROUP BY currency) s \
              FULL JOIN (SELECT currency, sum(tickets) AS tickets, CAST(sum(revenue) AS DECIMAL(38, 2)) AS revenue \
                         FROM daily_sales GROUP BY currency) d ON s.currency = d.currency \
              WHERE (s.tickets IS DISTINCT FROM d.tickets) OR (s.revenue IS DISTINCT FROM d.revenue) \
              ORDER BY 1",
    },
    Gate {
        name: "venue_popularity",
        says: "venue_popularity and venues do not have the same venues (how many are in one alone)",
        sql: "SELECT count(*) FROM venues v FULL JOIN venue_popularity p ON p.venue_id = v.venue_id \
              WHERE v.venue_id IS NULL OR p.venue_id IS NULL HAVING count(*) > 0",
    },
    Gate {
        name: "venue_popularity",
        says: "the ranks of venue_popularity are not 1, 2, 3 … (rows, least and highest rank, different ranks)",
        sql: "SELECT count(*), min(popularity_rank), max(popularity_rank), count(DISTINCT popularity_rank) \
              FROM venue_popularity HAVING count(*) > 0 AND (min(popularity_rank) <> 1 \
              OR max(popularity_rank) <> count(*) OR count(DISTINCT popularity_rank) <> count(*))",
    },
    Gate {
        name: "artist_performance",
        says: "artist_performance and artists do not have the same artists (how many are in one alone)",
        sql: "SELECT count(*) FROM artists a FULL JOIN artist_performance p ON p.artist_id = a.artist_id \
              WHERE a.artist_id IS NULL OR p.artist_id IS NULL HAVING count(*) > 0",
    },
    Gate {
        name: "artist_performance",
        says: "the concerts of artist_performance do not add up to those in concerts (there, here)",
        sql: "SELECT held.concerts, counted.concerts FROM \
              (SELECT count(*) AS concerts FROM concerts WHERE status <> 'cancelled' \
               AND artist_id IN (SELECT artist_id FROM artists)) held \
              CROSS JOIN (SELECT coalesce(sum(total_concerts), 0) AS concerts FROM artist_performance) counted \
              WHERE held.concerts <> counted.concerts",
    },
];

/// Whether every mart adds up to the tables that it was made from; one breach for each that does not.
///
/// # Errors
/// The tables cannot be read.
pub async fn marts(session: &SessionContext) -> Result<Vec<Breach>> {
    let mut breaches = Vec::new();
    let works = MARTS
        .iter()
        .map(|gate| {
            let session = session.clone();
            async move { examples(&session, gate.sql).await }.boxed()
        })
        .collect();
    for (gate, examples) in MARTS.iter().zip(side_by_side(works).await?) {
        if !examples.is_empty() {
            breaches.push(Breach {
                gate: gate.name,
                message: format!("{}: {}", gate.says, examples.join(", ")),
            });
        }
    }
    Ok(breaches)
}

async fn examples(session: &SessionContext, sql: &str) -> Result<Vec<String>> {
    let mut examples = Vec::new();
    for batch in rows(session, sql).await? {
        for row in 0..batch.num_rows() {
            let values: Vec<String> = (0..batch.num_columns())
                .map(|column| shown(&batch, column, row))
                .collect();
            examples.push(values.join(" "));
        }
    }
    examples.truncate(MAX_EXAMPLES);
    Ok(examples)
}
