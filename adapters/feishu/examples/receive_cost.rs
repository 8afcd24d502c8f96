//! How long it takes to verify, open and translate one callback. Run it in a release build:
//! `cargo run --release -p hutong-feishu --example receive_cost`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement, not a part"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Instant;

use hutong_model::Received;
use support::{Callback, NOW, adapter};

fn main() {
    let adapter = adapter();
    for (name, plain) in [
        (
            "group text, two mentions",
            include_str!("../tests/vectors/events/im.message.receive_v1.text_mention_bot_and_user.json"),
        ),
        (
            "private text",
            include_str!("../tests/vectors/events/im.message.receive_v1.text_p2p.json"),
        ),
        (
            "form",
            include_str!("../tests/vectors/events/card.action.trigger.form_submit.json"),
        ),
    ] {
        let callback = Callback::of(plain, NOW);
        let rounds = 50_000;
        let begin = Instant::now();
        for _ in 0..rounds {
            assert!(matches!(callback.receive(adapter, NOW), Received::Events { .. }));
        }
        let each = begin.elapsed() / rounds;
        println!("{name}: {each:?} per event, {} bytes", callback.body.len());
    }
}
