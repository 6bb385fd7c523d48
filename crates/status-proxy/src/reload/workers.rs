//! The workers, and how a configuration comes to them.

use std::sync::{
    Arc,
    mpsc::{Receiver, channel},
};

use tokio::sync::mpsc::UnboundedSender;

use crate::{
    config::Config,
    drain::Drain,
    forward::Gateway,
    listen::{Serving, Settings},
};

/// Every worker, each with a gateway of its own.
#[derive(Debug)]
pub(crate) struct Workers {
    servings: Vec<UnboundedSender<Serving>>,
    drain: Drain,
}

impl Workers {
    pub(crate) fn new(servings: Vec<UnboundedSender<Serving>>, drain: Drain) -> Self {
        Self { servings, drain }
    }

    /// Has each worker answer by `config` whatever request comes to it from then on. What comes back are the gateways
    /// that they have no more use for, the last one when all have changed over: freeing a large one is not for them.
    pub(crate) fn serve_by(&self, config: &Config) -> Receiver<Option<Arc<Gateway>>> {
        let (given_back, old) = channel();
        // All are made before the first worker changes over.
        let servings: Vec<_> = self.servings.iter().map(|_| Gateway::new(config)).collect();
        for (worker, gateway) in self.servings.iter().zip(servings) {
            let given_back = given_back.clone();
            // A worker that has drained takes nothing any more.
            let _ = worker.send(Serving {
                settings: Settings::new(config.limits, config.timeouts, self.drain.clone()),
                layer: config.default.layer.detached(),
                take_over: Box::new(move || {
                    // Nobody waits for those of the start, of which there are none.
                    let _ = given_back.send(gateway.take_over());
                }),
            });
        }
        old
    }
}
