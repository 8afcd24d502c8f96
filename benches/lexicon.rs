//! Figures of the lexicon: build and scan with 100,000 words, with folding, on one core, beside a
//! naive search and the two automata that were compared. Run: `cargo bench --bench lexicon`.

#![allow(clippy::expect_used, reason = "a benchmark may fail")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use hutong::lexicon::{Lexicon, Place, fold};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

const WORDS: usize = 100_000;
/// Bytes of the text.
const TEXT: usize = 8 << 20;

fn han(rng: &mut StdRng) -> char {
    // Frequent characters are more frequent: the square of an even number leans to the front.
    let x: f64 = rng.random();
    char::from_u32(0x4E00 + (x * x * 6_000.0) as u32).unwrap_or('的')
}

fn words(rng: &mut StdRng) -> String {
    (0..WORDS)
        .map(|n| {
            let len = rng.random_range(3..=7);
            let word: String = (0..len).map(|_| han(rng)).collect();
            let level = ["note", "review", "block"][n % 3];
            format!("{word}\t{level}\t*\t甲\t-\n")
        })
        .collect()
}

/// Chinese prose as it is typed: some punctuation, some Latin words in both widths.
fn text(rng: &mut StdRng, bytes: usize) -> String {
    let mut out = String::with_capacity(bytes + 64);
    while out.len() < bytes {
        match rng.random_range(0..40) {
            0..=2 => out.push(['，', '。', '、', '\n'][rng.random_range(0..4)]),
            3 => out.push_str(["CAN", "ＶＰＮ", "2026-11-24", "v1.2"][rng.random_range(0..4)]),
            _ => out.push(han(rng)),
        }
    }
    out
}

fn best_of<T>(n: usize, mut run: impl FnMut() -> T) -> (Duration, T) {
    let mut best: Option<(Duration, T)> = None;
    for _ in 0..n {
        let start = Instant::now();
        let value = run();
        let took = start.elapsed();
        if best.as_ref().is_none_or(|(b, _)| took < *b) {
            best = Some((took, value));
        }
    }
    best.expect("ran at least once")
}

fn rate(bytes: usize, took: Duration) -> f64 {
    bytes as f64 / 1e6 / took.as_secs_f64()
}

fn main() {
    let mut rng = StdRng::seed_from_u64(5);
    let lines = words(&mut rng);
    let text = text(&mut rng, TEXT);
    let today = chrono::NaiveDate::from_ymd_opt(2026, 11, 24).expect("a date");
    // The table of characters is made once in a process.
    black_box(fold::squeezed("热身"));

    let (took, lexicon) = best_of(5, || {
        Lexicon::build([("words.tsv", lines.as_str())]).expect("good lines")
    });
    println!(
        "build   {WORDS} words, read, folded and put together: {:.0} ms",
        took.as_secs_f64() * 1e3
    );
    let (took, hits) = best_of(5, || lexicon.scan(&text, Place::Column(&[]), today).len());
    println!(
        "scan    {} bytes with folding, {hits} hits: {:.0} MB/s",
        text.len(),
        rate(text.len(), took)
    );
    let (took, _) = best_of(3, || black_box(fold::squeezed(&text)).len());
    println!("fold    the same text alone: {:.0} MB/s", rate(text.len(), took));

    // Word by word over the folded text: a small part of it, or it would take an hour.
    let part: String = text.chars().take(20_000).collect();
    let plain: Vec<String> = lines
        .lines()
        .filter_map(|l| l.split('\t').next())
        .map(fold::squeezed)
        .collect();
    let (took, naive) = best_of(1, || {
        let folded = fold::squeezed(&part);
        plain.iter().map(|w| folded.matches(w.as_str()).count()).sum::<usize>()
    });
    println!(
        "naive   {} bytes, {naive} hits: {:.3} MB/s",
        part.len(),
        rate(part.len(), took)
    );

    let folded = fold::squeezed(&text);
    let mut unique = plain;
    unique.sort();
    unique.dedup();
    let (built, ours) = best_of(3, || {
        daachorse::CharwiseDoubleArrayAhoCorasick::<u32>::new(&unique).expect("words")
    });
    let (took, n) = best_of(3, || ours.find_overlapping_iter(&folded).count());
    println!(
        "engines daachorse by character: build {:.0} ms, scan of folded text {:.0} MB/s, {:.1} MB, {n} hits",
        built.as_secs_f64() * 1e3,
        rate(folded.len(), took),
        ours.heap_bytes() as f64 / 1e6
    );
    let (built, theirs) = best_of(3, || {
        aho_corasick::AhoCorasick::builder()
            .kind(Some(aho_corasick::AhoCorasickKind::ContiguousNFA))
            .build(&unique)
            .expect("words")
    });
    let (took, n) = best_of(3, || theirs.find_overlapping_iter(&folded).count());
    println!(
        "        aho-corasick, contiguous NFA: build {:.0} ms, scan of folded text {:.0} MB/s, {:.1} MB, {n} hits",
        built.as_secs_f64() * 1e3,
        rate(folded.len(), took),
        theirs.memory_usage() as f64 / 1e6
    );
}
