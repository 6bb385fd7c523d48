//! The streams of a connection, by their numbers.

use std::{collections::VecDeque, mem, task::Waker};

use bytes::BytesMut;
use http::HeaderMap;

use super::{STREAM_WINDOW, error::Error, head::Head};
use crate::http2::{
    Reason,
    outlet::{End, Sending},
};

/// A stream that somebody holds, or a place for one.
#[derive(Debug)]
pub(super) struct Stream {
    /// 0 for a place that is free.
    pub(super) id: u32,
    /// The response can have no body, whatever its head says.
    pub(super) is_head: bool,
    /// What has come of the response, and has not been taken.
    pub(super) interim: VecDeque<Head>,
    pub(super) head: Option<Head>,
    pub(super) unread: BytesMut,
    pub(super) trailers: Option<HeaderMap>,
    /// How many interim responses have come.
    pub(super) interims: usize,
    /// The head of the response has come.
    pub(super) has_head: bool,
    /// The upstream has ended its side.
    pub(super) has_ended: bool,
    /// What the upstream may send of the body.
    pub(super) window: u32,
    /// Bytes of the stream's window that have been read and not been told to the upstream.
    pub(super) read: u32,
    /// Bytes of the body that are to come, where the upstream said how many.
    pub(super) left: Option<u64>,
    /// Why it ended before its time.
    pub(super) error: Option<Error>,
    pub(super) reader: Option<Waker>,
    pub(super) sending: Sending,
    /// Who waits for room.
    pub(super) writer: Option<Waker>,
}

impl Stream {
    fn new(id: u32, is_head: bool, window: i64) -> Self {
        Self {
            id,
            is_head,
            interim: VecDeque::new(),
            head: None,
            unread: BytesMut::new(),
            trailers: None,
            interims: 0,
            has_head: false,
            has_ended: false,
            window: STREAM_WINDOW,
            read: 0,
            left: None,
            error: None,
            reader: None,
            sending: Sending::new(window),
            writer: None,
        }
    }

    /// Whether neither side has reset it nor both have ended it.
    pub(super) fn is_open(&self) -> bool {
        self.error.is_none() && !(self.has_ended && self.sending.end == Some(End::Whole))
    }

    /// Whether more of the response may come.
    pub(super) fn is_expected(&self) -> bool {
        self.error.is_none() && !self.has_ended
    }

    pub(super) fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    pub(super) fn wake_writer(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    /// Wakes the writer if it waited for that.
    pub(super) fn widen(&mut self, more: i64) -> Result<(), Reason> {
        if self.sending.widen(more)? {
            self.wake_writer();
        }
        Ok(())
    }

    /// Nothing more will come or be sent. A response that is whole stays so.
    pub(super) fn cut(&mut self, error: Error) {
        if self.error.is_none() {
            self.error = Some(error);
            self.wake_reader();
            self.wake_writer();
        }
    }
}

/// The streams that somebody holds.
#[derive(Debug, Default)]
pub(super) struct Streams {
    places: Vec<Stream>,
    vacant: Vec<usize>,
    /// Numbers with their places. In order: each is higher than those before it.
    by_id: Vec<(u32, usize)>,
}

impl Streams {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(super) fn find(&self, id: u32) -> Option<usize> {
        let found = self.by_id.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.by_id.get(found).map(|(_, place)| *place)
    }

    pub(super) fn get(&mut self, place: usize) -> &mut Stream {
        &mut self.places[place]
    }

    /// A place for a stream, whose number is higher than that of any before.
    pub(super) fn open(&mut self, id: u32, is_head: bool, window: i64) -> usize {
        let stream = Stream::new(id, is_head, window);
        let place = match self.vacant.pop() {
            Some(place) => {
                self.places[place] = stream;
                place
            }
            None => {
                self.places.push(stream);
                self.places.len() - 1
            }
        };
        self.by_id.push((id, place));
        place
    }

    /// Frees the place. What was in it is to be dropped where nothing is locked.
    pub(super) fn close(&mut self, place: usize) -> Stream {
        let stream = mem::replace(&mut self.places[place], Stream::new(0, false, 0));
        if let Ok(found) = self.by_id.binary_search_by_key(&stream.id, |(id, _)| *id) {
            self.by_id.remove(found);
            self.vacant.push(place);
        }
        stream
    }

    pub(super) fn held(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.places.iter_mut().filter(|stream| stream.id != 0)
    }
}
