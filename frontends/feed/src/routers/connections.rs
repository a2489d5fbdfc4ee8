//! The connections to one router.
//!
//! One connection would be one core of the router's at most, and all streams behind one window of
//! HTTP/2; so there may be several, made when they are needed. They belong to the runtime that made
//! them, which alone drives them: each runtime has its own, and a thread's streams stay on it.

use hydrant_rpc::channel;
use hydrant_rpc::tls::ClientTls;
use std::collections::HashMap;
use std::iter;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::{Handle, Id};
use tokio::sync::Mutex as TurnMutex;
use tonic::transport::{Channel, Error};

/// Connections to one router.
#[derive(Debug)]
pub(super) struct Connections {
    address: String,
    tls: Option<ClientTls>,
    count: u16,
    by_runtime: Mutex<HashMap<Id, Arc<[Slot]>>>,
}

/// Place for a connection. Locked while it is being made, so that it is made once.
type Slot = TurnMutex<Held>;

#[derive(Debug, Default)]
struct Held {
    /// Counts the connections that were here, to tell a new one from one that broke.
    number: u64,
    channel: Option<Channel>,
}

/// A connection that was there a moment ago.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) channel: Channel,
    slots: Arc<[Slot]>,
    index: usize,
    number: u64,
}

impl Connections {
    pub(super) fn new(address: &str, tls: Option<&ClientTls>, count: u16) -> Self {
        Self {
            address: address.to_owned(),
            tls: tls.cloned(),
            count,
            by_runtime: Mutex::default(),
        }
    }

    /// One of this runtime's connections, by any number; it is made if it is not there.
    pub(super) async fn any(&self, random: u64) -> Result<Connection, Error> {
        let slots = self.slots();
        let index = usize::try_from(random % u64::from(self.count)).unwrap_or(0);
        let mut held = slots[index].lock().await;
        let channel = match &held.channel {
            Some(channel) => channel.clone(),
            None => {
                let channel = channel::connect(&self.address, self.tls.as_ref()).await?;
                held.number += 1;
                held.channel.insert(channel).clone()
            }
        };
        let number = held.number;
        drop(held);
        Ok(Connection {
            channel,
            slots,
            index,
            number,
        })
    }

    fn slots(&self) -> Arc<[Slot]> {
        let mut by_runtime = self
            .by_runtime
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let slots = by_runtime.entry(Handle::current().id()).or_insert_with(|| {
            let count = usize::from(self.count);
            iter::repeat_with(Slot::default).take(count).collect()
        });
        Arc::clone(slots)
    }
}

impl Connection {
    /// It broke: whoever comes next makes a new one.
    pub(super) async fn discard(self) {
        let mut held = self.slots[self.index].lock().await;
        if held.number == self.number {
            held.channel = None;
        }
    }
}
