//! Randomness that is the same on every machine and on any number of threads: each thing that is made has a ChaCha
//! stream of its own, named by what it is and its number, and every function that could differ between systems (`exp`,
//! `ln`, `pow`, `sin`) comes from `libm`.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A part of the world whose streams are its own, so that more venues do not change the artists.
#[derive(Clone, Copy)]
pub enum Part {
    Artists = 1,
    Venues,
    Customers,
    Tours,
    Concerts,
    Sales,
    DirtyRows,
    DirtyCopies,
}

/// The streams of one seed.
#[derive(Clone)]
pub struct Streams {
    base: ChaCha8Rng,
    seed: u64,
}

impl Streams {
    pub fn new(seed: u64) -> Streams {
        Streams {
            base: ChaCha8Rng::seed_from_u64(seed),
            seed,
        }
    }

    /// The stream of thing number `index` of a part.
    pub fn stream(&self, part: Part, index: u64) -> ChaCha8Rng {
        let mut rng = self.base.clone();
        rng.set_stream(((part as u64) << 56) | index);
        rng
    }

    /// A key for [`hash`] and [`Permutation`].
    pub fn key(&self, part: Part) -> u64 {
        hash(self.seed, part as u64)
    }
}

/// Mixes two numbers into one whose bits all depend on all of theirs (the finalizer of SplitMix64).
pub fn hash(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_add(b.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A number in [0, 1) from a hash.
pub fn fraction(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

/// A number in [0, 1).
pub fn unit(rng: &mut ChaCha8Rng) -> f64 {
    rng.random()
}

/// A sample of the standard normal distribution (Box and Muller 1958).
pub fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = libm::sqrt(-2.0 * libm::log(1.0 - unit(rng)));
    radius * libm::cos(std::f64::consts::TAU * unit(rng))
}

/// A sample of the exponential distribution of mean 1, cut at `limit`.
pub fn exponential(rng: &mut ChaCha8Rng, limit: f64) -> f64 {
    -libm::log(1.0 - unit(rng) * (1.0 - libm::exp(-limit)))
}

/// Draws indices in proportion to weights in constant time (the alias method: Walker 1977, Vose 1991).
#[derive(Clone, Debug, Default)]
pub struct Choice {
    keep: Vec<f64>,
    alias: Vec<usize>,
}

impl Choice {
    /// Weights below zero count as zero. Where no weight is above zero, all are alike; of no weights, 0 is drawn.
    pub fn new(weights: impl IntoIterator<Item = f64>) -> Choice {
        let weights: Vec<f64> = weights.into_iter().map(|weight| weight.max(0.0)).collect();
        let count = weights.len();
        let total: f64 = weights.iter().sum();
        let mut keep: Vec<f64> = weights
            .iter()
            .map(|weight| {
                if total > 0.0 {
                    weight / total * count as f64
                } else {
                    1.0
                }
            })
            .collect();
        let mut alias: Vec<usize> = (0..count).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..count).partition(|i| keep[*i] < 1.0);
        while let (Some(little), Some(much)) = (small.pop(), large.last().copied()) {
            alias[little] = much;
            keep[much] -= 1.0 - keep[little];
            if keep[much] < 1.0 {
                large.pop();
                small.push(much);
            }
        }
        // What rounding has left over is whole.
        for i in small.into_iter().chain(large) {
            keep[i] = 1.0;
        }
        Choice { keep, alias }
    }

    pub fn draw(&self, rng: &mut ChaCha8Rng) -> usize {
        if self.keep.is_empty() {
            return 0;
        }
        let at = unit(rng) * self.keep.len() as f64;
        let index = (at as usize).min(self.keep.len() - 1);
        if at - (index as f64) < self.keep[index] {
            index
        } else {
            self.alias[index]
        }
    }
}

const ROUNDS: u64 = 4;

/// A bijection of 0..count that looks random: ids that tell nothing about the things that they name, without a table
/// of them (a Feistel network that is walked until it is back in the range: Black and Rogaway 2002).
#[derive(Clone, Copy, Debug)]
pub struct Permutation {
    key: u64,
    count: u64,
    half_bits: u32,
}

impl Permutation {
    pub fn new(key: u64, count: u64) -> Permutation {
        let bits = u64::BITS - count.saturating_sub(1).leading_zeros();
        Permutation {
            key,
            count,
            half_bits: bits.div_ceil(2).max(1),
        }
    }

    /// Where `index`, which is below the count, goes.
    pub fn forward(&self, index: u64) -> u64 {
        self.walk(index, |value| self.rounds(value, 0..ROUNDS))
    }

    /// What goes to `index`.
    pub fn backward(&self, index: u64) -> u64 {
        let swap = |value: u64| ((value & self.mask()) << self.half_bits) | (value >> self.half_bits);
        self.walk(index, |value| swap(self.rounds(swap(value), (0..ROUNDS).rev())))
    }

    fn mask(&self) -> u64 {
        (1 << self.half_bits) - 1
    }

    fn walk(&self, index: u64, step: impl Fn(u64) -> u64) -> u64 {
        if self.count < 2 {
            return index;
        }
        let mut value = step(index);
        while value >= self.count {
            value = step(value);
        }
        value
    }

    fn rounds(&self, value: u64, rounds: impl Iterator<Item = u64>) -> u64 {
        let (mut left, mut right) = (value >> self.half_bits, value & self.mask());
        for round in rounds {
            let next = left ^ (hash(self.key ^ (round << 32), right) & self.mask());
            left = right;
            right = next;
        }
        (left << self.half_bits) | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permutation_reaches_everything_once_and_leads_back() {
        for count in [1, 2, 3, 10, 1_000, 4_097] {
            let permutation = Permutation::new(7, count);
            let mut seen = vec![false; count as usize];
            for index in 0..count {
                let to = permutation.forward(index);
                assert!(
                    !std::mem::replace(&mut seen[to as usize], true),
                    "{to} twice of {count}"
                );
                assert_eq!(permutation.backward(to), index, "of {count}");
            }
        }
        let permutation = Permutation::new(7, 1_000);
        let in_place = (0..1_000).filter(|i| permutation.forward(*i).abs_diff(*i) < 10).count();
        assert!(in_place < 50, "{in_place} stay where they were");
    }

    #[test]
    fn choices_come_in_proportion_to_their_weights() {
        let weights = [1.0, 0.0, 5.0, 2.0, 2.0];
        let choice = Choice::new(weights);
        let mut rng = Streams::new(1).stream(Part::Sales, 0);
        let mut drawn = [0_u32; 5];
        for _ in 0..100_000 {
            drawn[choice.draw(&mut rng)] += 1;
        }
        for (weight, drawn) in weights.iter().zip(drawn) {
            assert!((f64::from(drawn) / 100_000.0 - weight / 10.0).abs() < 0.01, "{drawn}");
        }
        assert_eq!(Choice::new([]).draw(&mut rng), 0);
        assert!(Choice::new([0.0, 0.0]).draw(&mut rng) < 2);
    }

    #[test]
    fn normal_numbers_have_mean_0_and_deviation_1() {
        let mut rng = Streams::new(1).stream(Part::Sales, 1);
        let numbers: Vec<f64> = (0..50_000).map(|_| normal(&mut rng)).collect();
        let mean = numbers.iter().sum::<f64>() / 50_000.0;
        let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 50_000.0;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }

    #[test]
    fn streams_differ_by_seed_part_and_number() {
        let first = |seed, part, index| Streams::new(seed).stream(part, index).random::<u64>();
        let base = first(1, Part::Sales, 1);
        assert_eq!(base, first(1, Part::Sales, 1));
        for other in [
            first(2, Part::Sales, 1),
            first(1, Part::Concerts, 1),
            first(1, Part::Sales, 2),
        ] {
            assert_ne!(base, other);
        }
    }
}
