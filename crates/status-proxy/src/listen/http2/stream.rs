//! The streams of a connection, by their numbers.

use std::{pin::Pin, sync::Arc, task::Waker};

use super::{exchange::Exchange, inbox::Inbox, wakers::Woken};
use crate::http2::{
    Reason,
    outlet::{Sending, Waits},
};

/// A stream that is open, or a place for one: kept with its waker for the streams to come.
pub(super) struct Stream<F, B> {
    /// 0 for a place that is free.
    pub(super) id: u32,
    /// What answers the request, until it has.
    pub(super) exchange: Option<Pin<Box<Exchange<F, B>>>>,
    pub(super) waker: Waker,
    pub(super) sending: Sending,
    /// Where the body goes. None if there is no body.
    pub(super) inbox: Option<Arc<Inbox>>,
    /// The client has ended its side.
    pub(super) has_ended: bool,
    /// What the client may send of the body.
    pub(super) window: u32,
    /// Bytes of the body that are to come, where the client said how many.
    pub(super) left: Option<u64>,
}

impl<F, B> Stream<F, B> {
    /// Whether nobody reads, nor is going to, what the client sends.
    pub(super) fn is_unread(&self) -> bool {
        self.inbox.as_ref().is_none_or(|inbox| inbox.is_abandoned())
    }

    /// Has the stream go on if it waited for that.
    pub(super) fn widen(&mut self, more: i64) -> Result<(), Reason> {
        if self.sending.widen(more)? {
            self.waker.wake_by_ref();
        }
        Ok(())
    }
}

/// The open streams.
pub(super) struct Streams<F, B> {
    places: Vec<Stream<F, B>>,
    vacant: Vec<usize>,
    /// Numbers with their places. In order: each is higher than those before it.
    by_id: Vec<(u32, usize)>,
}

impl<F, B> Streams<F, B> {
    pub(super) fn new() -> Self {
        Self { places: Vec::new(), vacant: Vec::new(), by_id: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The place of an open stream.
    pub(super) fn find(&self, id: u32) -> Option<usize> {
        let found = self.by_id.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.by_id.get(found).map(|(_, place)| *place)
    }

    pub(super) fn get(&mut self, place: usize) -> &mut Stream<F, B> {
        &mut self.places[place]
    }

    /// A place for a stream, whose number is higher than that of any before.
    pub(super) fn open(&mut self, id: u32, woken: &Arc<Woken>) -> usize {
        let place = self.vacant.pop().unwrap_or_else(|| self.add_place(woken));
        self.by_id.push((id, place));
        self.places[place].id = id;
        place
    }

    fn add_place(&mut self, woken: &Arc<Woken>) -> usize {
        let place = self.places.len();
        if place == 0 {
            // Few clients ask for several things at once, and there would be room for four.
            self.places.reserve_exact(1);
        }
        self.places.push(Stream {
            id: 0,
            exchange: None,
            waker: woken.add_place(place),
            sending: Sending::new(0),
            inbox: None,
            has_ended: false,
            window: 0,
            left: None,
        });
        place
    }

    /// Frees the place, and gives up what answers. Returns where the body goes.
    pub(super) fn close(&mut self, place: usize) -> Option<Arc<Inbox>> {
        let stream = &mut self.places[place];
        if let Ok(found) = self.by_id.binary_search_by_key(&stream.id, |(id, _)| *id) {
            self.by_id.remove(found);
            self.vacant.push(place);
        }
        stream.id = 0;
        stream.exchange = None;
        stream.sending.waits = Waits::No;
        stream.inbox.take()
    }

    /// Gives up what answers on a stream. Whoever reads the body finds it cut.
    pub(super) fn cut(&mut self, place: usize, reason: Reason) {
        if let Some(inbox) = self.close(place) {
            inbox.cut(reason);
        }
    }

    /// The same for all streams.
    pub(super) fn cut_all(&mut self, reason: Reason) {
        while let Some((_, place)) = self.by_id.last() {
            self.cut(*place, reason);
        }
    }

    pub(super) fn open_streams(&mut self) -> impl Iterator<Item = &mut Stream<F, B>> {
        self.places.iter_mut().filter(|stream| stream.id != 0)
    }
}
