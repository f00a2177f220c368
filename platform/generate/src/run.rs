//! One run: what is made in memory, the pieces that the rest is made in, and the files that they go to.

use crate::{
    Format, GenerateError, GenerateOptions, GenerateReport, Progress,
    calendar::day_number,
    concerts,
    customers::Customers,
    dirty::{self, Dirt, Truth},
    encode::{Encoder, File, Piece},
    output::{Output, Sink, TRUTH},
    pipeline,
    random::Streams,
    sales::Plan,
    tables::{self, Made, Rows, TABLES},
    tours,
    world::World,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    thread,
};

/// Artists, venues, customers or concerts that are made at once.
const THINGS_AT_ONCE: usize = 60_000;
/// More threads do not help, since one writes, and each holds the rows of a piece.
const MAX_THREADS: usize = 8;

/// Makes the world and writes it.
///
/// Work is done on threads of its own, so that this may be called from within a runtime; it returns when all is
/// written.
///
/// # Errors
/// [`GenerateError`]; then nothing that is half done has a final name.
pub fn generate(options: &GenerateOptions) -> Result<GenerateReport, GenerateError> {
    options.check()?;
    // Uploads are waited for, which a thread of a runtime must not do.
    thread::scope(|scope| match scope.spawn(|| run(options)).join() {
        Ok(outcome) => outcome,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// A piece of work: a stretch of things of one kind.
struct Job {
    kind: JobKind,
    stretch: Range<usize>,
    records: u64,
}

#[derive(Clone, Copy)]
enum JobKind {
    Artists,
    Venues,
    Customers,
    Concerts,
    Sales,
}

impl JobKind {
    fn table(self) -> &'static str {
        match self {
            JobKind::Artists => "artists",
            JobKind::Venues => "venues",
            JobKind::Customers => "customers",
            JobKind::Concerts => "concerts",
            JobKind::Sales => "ticket_sales",
        }
    }
}

/// What a job brought.
struct Done {
    table: &'static str,
    records: u64,
    /// Rows and their bytes, by the number of the table.
    pieces: Vec<(usize, u64, Piece)>,
    truth: Truth,
}

fn run(options: &GenerateOptions) -> Result<GenerateReport, GenerateError> {
    let manifest = manifest(options);
    let is_dirty = options.dirty > 0.0;
    let output = Output::open(&options.target, &manifest, known_names(), options.overwrite)?;

    let streams = Streams::new(options.seed);
    let world = World::new(options, &streams);
    let nights = nights(options, &streams, &world)?;
    let concerts = concerts::concerts(options, &streams, &world, &nights);
    drop(nights);
    let plan = Plan::new(options, &concerts)?;
    let customers = Customers::new(options, &streams, plan.sales);
    let dirt = is_dirty.then(|| Dirt::new(options.dirty, &streams, &world, concerts.len()));
    let made = Made::new(options, streams, world, concerts, customers);

    let encoders = TABLES
        .iter()
        .map(|table| Encoder::new(table, options.format, is_dirty))
        .collect::<Result<Vec<_>, _>>()?;
    let mut files = Vec::with_capacity(TABLES.len());
    for (table, encoder) in TABLES.iter().zip(&encoders) {
        let name = format!("{}.{}", table.name, options.format.extension());
        let mut file = encoder.file(output.create(&name)?)?;
        let header = encoder.header();
        if !header.is_empty() {
            file.put(Piece::Bytes(header)).map_err(|e| output.failed(&name, e))?;
        }
        files.push(Open { name, file, rows: 0 });
    }
    let mut truth = match is_dirty {
        true => Some(TruthFiles::create(&output)?),
        false => None,
    };

    let jobs = jobs(&made, &plan);
    let of: u64 = jobs.iter().map(|job| job.records).sum();
    let mut records = 0;
    let make = |index: usize| make(&made, &plan, dirt.as_ref(), &encoders, &jobs[index]);
    pipeline::run(threads(options), jobs.len(), make, |done: Done| {
        for (table, rows, piece) in done.pieces {
            let open = &mut files[table];
            open.rows += rows;
            open.file.put(piece).map_err(|e| output.failed(&open.name, e))?;
        }
        if let Some(truth) = &mut truth {
            truth.put(&output, done.truth)?;
        }
        records += done.records;
        if let Some(on_progress) = &options.progress {
            on_progress(Progress {
                table: done.table,
                records,
                of,
            });
        }
        Ok(())
    })?;

    let mut tables = BTreeMap::new();
    let mut sinks = Vec::new();
    for (table, open) in TABLES.iter().zip(files) {
        tables.insert(table.name.to_owned(), open.rows);
        let sink = open.file.finish().map_err(|e| output.failed(&open.name, e))?;
        sinks.push((open.name, sink));
    }
    let dirty = truth.map(|truth| {
        let report = truth.report(options.dirty);
        sinks.extend(truth.sinks());
        report
    });
    output.commit(sinks, &manifest)?;
    Ok(GenerateReport {
        out: options.target.to_string(),
        format: options.format,
        seed: options.seed,
        from: options.from,
        as_of: options.as_of,
        tables,
        sales_fraction: if plan.purchases == 0 {
            0.0
        } else {
            plan.sales as f64 / plan.purchases as f64
        },
        ticket_fraction: plan.ticket_fraction(),
        tickets: plan.tickets,
        dirty,
    })
}

fn threads(options: &GenerateOptions) -> usize {
    let threads = match options.threads {
        0 => thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    threads.min(MAX_THREADS)
}

fn nights(options: &GenerateOptions, streams: &Streams, world: &World) -> Result<Vec<tours::Night>, GenerateError> {
    let crowded = |made| GenerateError::Crowded {
        made,
        wanted: options.concerts,
        venues: options.venues,
    };
    // A venue has one concert a day. Where that is not enough, no search is needed.
    let days = day_number(options.as_of) - day_number(options.from) + tours::AHEAD_DAYS;
    let most = u64::from(options.venues) * u64::from(days.unsigned_abs());
    if most < u64::from(options.concerts) {
        return Err(crowded(most));
    }
    let nights = tours::nights(options, streams, world);
    if nights.len() < options.concerts as usize {
        return Err(crowded(nights.len() as u64));
    }
    Ok(nights)
}

/// The names that a run of any kind can write.
fn known_names() -> BTreeSet<String> {
    let tables = TABLES
        .iter()
        .flat_map(|table| Format::ALL.map(|format| format!("{}.{}", table.name, format.extension())));
    tables
        .chain(TRUTH_FILES.map(|(name, _)| format!("{TRUTH}/{name}")))
        .collect()
}

/// What decides the bytes, as one line of JSON.
fn manifest(options: &GenerateOptions) -> String {
    let (exactly, sales) = match options.sales {
        crate::Sales::Exactly(sales) => (true, sales),
        crate::Sales::AtMost(sales) => (false, sales),
    };
    format!(
        "{{\"generator\":\"concert-generate {}\",\"artists\":{},\"venues\":{},\"concerts\":{},\"sales\":{sales},\
         \"sales_exactly\":{exactly},\"seed\":{},\"from\":\"{}\",\"as_of\":\"{}\",\"format\":\"{}\",\"dirty\":{}}}\n",
        env!("CARGO_PKG_VERSION"),
        options.artists,
        options.venues,
        options.concerts,
        options.seed,
        options.from,
        options.as_of,
        options.format.extension(),
        options.dirty,
    )
}

struct Open {
    name: String,
    file: File<Sink>,
    rows: u64,
}

const TRUTH_FILES: [(&str, &str); 2] = [
    ("damage.csv", dirty::DAMAGE_HEADER),
    ("clusters.csv", dirty::CLUSTER_HEADER),
];

/// What is known about damaged data, and counts of it.
struct TruthFiles {
    files: [(String, Sink); 2],
    damaged: u64,
    duplicates: u64,
}

impl TruthFiles {
    fn create(output: &Output) -> Result<TruthFiles, GenerateError> {
        let create = |(name, header): (&str, &str)| {
            let name = format!("{TRUTH}/{name}");
            let mut sink = output.create(&name)?;
            std::io::Write::write_all(&mut sink, header.as_bytes()).map_err(|e| output.failed(&name, e))?;
            Ok((name, sink))
        };
        let [damage, clusters] = TRUTH_FILES;
        Ok(TruthFiles {
            files: [create(damage)?, create(clusters)?],
            damaged: 0,
            duplicates: 0,
        })
    }

    fn put(&mut self, output: &Output, truth: Truth) -> Result<(), GenerateError> {
        self.damaged += truth.damaged;
        self.duplicates += truth.duplicates;
        for ((name, sink), bytes) in self.files.iter_mut().zip([truth.damage, truth.clusters]) {
            std::io::Write::write_all(sink, &bytes).map_err(|e| output.failed(name, e))?;
        }
        Ok(())
    }

    fn report(&self, rate: f64) -> dirty::DirtyReport {
        dirty::DirtyReport {
            rate,
            damaged_records: self.damaged,
            duplicate_records: self.duplicates,
            truth: TRUTH.to_owned(),
        }
    }

    fn sinks(self) -> [(String, Sink); 2] {
        self.files
    }
}

fn jobs(made: &Made, plan: &Plan) -> Vec<Job> {
    let things = [
        (JobKind::Artists, made.world.artists.len()),
        (JobKind::Venues, made.world.venues.len()),
        (JobKind::Customers, made.customers.count() as usize),
        (JobKind::Concerts, made.concerts.len()),
    ];
    let things = things.into_iter().flat_map(|(kind, count)| {
        (0..count).step_by(THINGS_AT_ONCE).map(move |begin| {
            let stretch = begin..count.min(begin + THINGS_AT_ONCE);
            Job {
                kind,
                records: stretch.len() as u64,
                stretch,
            }
        })
    });
    let sales = plan.stretches().into_iter().map(|stretch| Job {
        kind: JobKind::Sales,
        records: plan.rows(&stretch),
        stretch,
    });
    things.chain(sales).collect()
}

fn make(made: &Made, plan: &Plan, dirt: Option<&Dirt>, encoders: &[Encoder], job: &Job) -> Result<Done, GenerateError> {
    let stretch = job.stretch.clone();
    let (first_table, rows) = match job.kind {
        JobKind::Artists => (0, tables::artists(made, stretch)),
        JobKind::Venues => (3, tables::venues(made, stretch)),
        JobKind::Customers => (5, tables::customers(made, stretch)),
        JobKind::Concerts => (6, tables::concerts(made, stretch)),
        JobKind::Sales => (8, vec![plan.rows_of(made, stretch)]),
    };
    let mut truth = Truth::default();
    let mut pieces = Vec::with_capacity(rows.len());
    for (Rows { frame, about }, table) in rows.into_iter().zip(first_table..) {
        let frame = match dirt {
            Some(dirt) => dirt.damage(made, table, &frame, &about, &mut truth),
            None => frame,
        };
        pieces.push((table, frame.rows() as u64, encoders[table].encode(&frame)?));
    }
    Ok(Done {
        table: job.kind.table(),
        records: job.records,
        pieces,
        truth,
    })
}
