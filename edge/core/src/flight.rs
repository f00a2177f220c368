//! Work that several requests want at the same time is done once: the first one leads, the others get what it found.
//! Only where requests may wait for each other ([`crate::Host::requests_may_meet`]).

use crate::lock;
use futures::channel::oneshot;
use std::{collections::HashMap, sync::Mutex};

pub type Key = [u8; 32];

#[derive(Debug)]
pub struct Flights<T>(Mutex<HashMap<Key, Vec<oneshot::Sender<T>>>>);

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Flights(Mutex::default())
    }
}

pub enum Boarded<'a, T> {
    /// Do the work and [`Lead::land`].
    Lead(Lead<'a, T>),
    /// Wait. An error means that the leader has left: board again.
    Follow(oneshot::Receiver<T>),
}

impl<T: Clone> Flights<T> {
    pub fn board(&self, key: Key) -> Boarded<'_, T> {
        let mut flights = lock(&self.0);
        match flights.get_mut(&key) {
            Some(followers) => {
                let (sender, receiver) = oneshot::channel();
                followers.push(sender);
                Boarded::Follow(receiver)
            }
            None => {
                flights.insert(key, Vec::new());
                Boarded::Lead(Lead { flights: self, key })
            }
        }
    }
}

pub struct Lead<'a, T> {
    flights: &'a Flights<T>,
    key: Key,
}

impl<T: Clone> Lead<'_, T> {
    /// Gives `value` to all who wait.
    pub fn land(self, value: &T) {
        let followers = lock(&self.flights.0).remove(&self.key).unwrap_or_default();
        for follower in followers {
            // It may have left.
            let _ = follower.send(value.clone());
        }
    }
}

impl<T> Drop for Lead<'_, T> {
    fn drop(&mut self) {
        lock(&self.flights.0).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn followers_get_what_the_leader_found_or_board_again() {
        let flights = Flights::<u32>::default();
        let Boarded::Lead(lead) = flights.board([0; 32]) else {
            panic!("the first leads")
        };
        let Boarded::Follow(follower) = flights.board([0; 32]) else {
            panic!("the second follows")
        };
        assert!(matches!(flights.board([1; 32]), Boarded::Lead(_)));
        lead.land(&7);
        assert_eq!(follower.now_or_never(), Some(Ok(7)));
        let Boarded::Lead(lead) = flights.board([0; 32]) else {
            panic!("landed")
        };
        let Boarded::Follow(follower) = flights.board([0; 32]) else {
            panic!("the second follows")
        };
        drop(lead);
        assert!(follower.now_or_never().unwrap().is_err());
        assert!(matches!(flights.board([0; 32]), Boarded::Lead(_)));
    }
}
