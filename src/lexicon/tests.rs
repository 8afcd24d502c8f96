//! What is found, where, and that the automaton finds exactly what a search word by word finds.

use proptest::prelude::*;

use super::*;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn lexicon(lines: &str) -> Lexicon {
    Lexicon::build([("words.tsv", lines)]).unwrap()
}

const LINES: &str = "\u{FEFF}# word\tlevel\tscope\towner\tuntil\n\
    最佳\tnote\tcolumns\t法务 王芳\t2027-06-30\n\
    最佳实践\tallow\t*\t法务 王芳\t-\n\
    内部代号\tblock\tcolumns,members\t安全 赵强\t-\n\
    代号\treview\t*\t安全 赵强\t-\n\
    赌博\tblock\t*\t安全 赵强\t-\n\
    \n\
    vpn\treview\tmembers\t安全 赵强\t-\n\
    top secret\tblock\t*\t安全 赵强\t-\n\
    发票\treview\tgroup:oc_1,group:oc_2\t财务 王芳\t2026-12-31\n";

fn shown(hits: &[Hit<'_>]) -> Vec<(String, usize, usize, &'static str)> {
    hits.iter()
        .map(|h| (h.entry.word.to_string(), h.start, h.end, h.level().as_str()))
        .collect()
}

/// (word, start, end, level) of what is found in a column.
fn column(text: &str) -> Vec<(String, usize, usize, &'static str)> {
    shown(&lexicon(LINES).scan(text, Place::Column(&[]), day("2026-11-24")))
}

fn word(word: &str, start: usize, end: usize, level: &'static str) -> (String, usize, usize, &'static str) {
    (word.to_owned(), start, end, level)
}

#[test]
fn words_stand_where_they_are_said_to_stand() {
    assert_eq!(column("这是最佳方案"), [word("最佳", 2, 4, "note")]);
    assert_eq!(column("😀賭\u{200B}博不好"), [word("赌博", 1, 4, "block")]);
    assert_eq!(column("ＴＯＰ　ｓｅｃｒｅｔ"), [word("top secret", 0, 10, "block")]);
    assert_eq!(column("topsecret"), [word("top secret", 0, 9, "block")]);
    // With something between its letters it may be another word: looked at, not blocked.
    assert_eq!(column("赌 * 博"), [word("赌博", 0, 5, "review")]);
    assert_eq!(column("t-o-p secret"), [word("top secret", 0, 12, "review")]);
    // The longer word says it all; an allowed phrase says nothing is wrong.
    assert_eq!(column("内部代号"), [word("内部代号", 0, 4, "block")]);
    assert_eq!(
        column("代号和内部代号"),
        [word("代号", 0, 2, "review"), word("内部代号", 3, 7, "block")]
    );
    assert!(column("最佳实践").is_empty());
    assert_eq!(column("最佳实践最佳"), [word("最佳", 4, 6, "note")]);
    assert!(column("laptop secretary").is_empty());
}

#[test]
fn scope_and_end_of_a_line() {
    let lexicon = lexicon(LINES);
    let (here, there) = (ChatId::new("oc_1").unwrap(), ChatId::new("oc_9").unwrap());
    let today = day("2026-11-24");
    let n = |text: &str, place: Place<'_>, day: NaiveDate| lexicon.scan(text, place, day).len();
    assert_eq!(n("发票", Place::Group(&here), today), 1);
    assert_eq!(n("发票", Place::Group(&there), today), 0);
    assert_eq!(n("发票", Place::Column(std::slice::from_ref(&here)), today), 1);
    assert_eq!(n("发票", Place::Column(&[]), today), 0);
    assert_eq!(n("发票", Place::Group(&here), day("2026-12-31")), 1);
    assert_eq!(n("发票", Place::Group(&here), day("2027-01-01")), 0);
    assert_eq!(n("用VPN连接", Place::Group(&there), today), 1);
    assert_eq!(n("用VPN连接", Place::Column(&[]), today), 0);
    assert_eq!(n("vpns", Place::Group(&there), today), 0);
}

#[test]
fn a_broken_line_is_named_and_the_old_words_stay() {
    let bad = "好词\tnote\t*\t甲\t-\n***\tnote\t*\t甲\t-\n词\tloud\t*\t甲\t-\n词\tnote\tall\t甲\t-\n\
               词\tnote\t*\t甲\t2026-02-30\n词\tnote\t*\t甲\na\tnote\t*\t甲\t-\n";
    let problems = Lexicon::build([("words.tsv", bad)]).unwrap_err();
    let lines: Vec<u32> = problems.iter().map(|p| p.line).collect();
    assert_eq!(lines, [2, 3, 4, 5, 6, 7]);
    assert!(
        problems[0].to_string().starts_with("words.tsv:2: it has no letter"),
        "{}",
        problems[0]
    );
    assert!(problems[1].reason.contains("\"loud\"") && problems[3].reason.contains("2026-02-30"));

    let source = |text: &str| {
        vec![Source {
            name: "words.tsv".into(),
            text: text.into(),
        }]
    };
    let handle = Handle::open(source(LINES)).unwrap();
    assert!(handle.replace(source(bad)).is_err());
    assert_eq!((handle.lexicon().len(), handle.refused().len()), (8, 6));
    assert_eq!(handle.replace(source(LINES)), Ok(true));
    assert_eq!(handle.replace(source(LINES)), Ok(false));
    assert!(handle.refused().is_empty());
    assert!(
        Lexicon::build([])
            .unwrap()
            .scan("赌博", Place::Column(&[]), day("2026-11-24"))
            .is_empty()
    );
}

#[test]
fn words_of_the_longest_and_texts_of_the_oddest_kind() {
    let long = "长".repeat(LONGEST);
    let lexicon = lexicon(&format!("{long}\tblock\t*\t甲\t-\n½\tnote\t*\t甲\t-\n"));
    let text = format!("x{}½", "长\u{200B}".repeat(LONGEST));
    let hits = shown(&lexicon.scan(&text, Place::Column(&[]), day("2026-11-24")));
    assert_eq!(hits[0], (long.clone(), 1, 2 * LONGEST, "block"));
    assert_eq!(hits[1].0, "½");
    let too_long = format!("{long}长\tblock\t*\t甲\t-\n");
    assert!(Lexicon::build([("w", too_long.as_str())]).is_err());
    // More hits than anyone reads end the list, not the program.
    let many = lexicon.scan(&"½ ".repeat(30_000), Place::Column(&[]), day("2026-11-24"));
    assert!(!many.is_empty() && many.len() <= MOST_HITS);
}

/// Word by word, place by place, over the folded text with its places.
fn naive(lexicon: &Lexicon, text: &str) -> Vec<Found> {
    let mut letters: Vec<(char, usize, usize, usize, bool)> = Vec::new();
    for (n, (byte, c)) in text.char_indices().enumerate() {
        let folded = fold::squeezed(&c.to_string());
        let count = folded.chars().count();
        for (i, f) in folded.chars().enumerate() {
            letters.push((f, n, byte, byte + c.len_utf8(), i + 1 == count));
        }
    }
    let mut found = Vec::new();
    for (k, key) in lexicon.keys.iter().enumerate() {
        let word: Vec<char> = fold::squeezed(&lexicon.entries[key.lines.0 as usize].word)
            .chars()
            .collect();
        for (at, window) in letters.windows(word.len()).enumerate() {
            if window.iter().map(|l| l.0).ne(word.iter().copied()) {
                continue;
            }
            let last = letters[at + word.len() - 1];
            let one = Found {
                start: window[0].1,
                end: last.1 + 1,
                start_byte: window[0].2,
                end_byte: last.3,
                key: u32::try_from(k).unwrap(),
            };
            if whole(text, one, key.whole, last.4) {
                found.push(one);
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    /// Few different characters, so that words overlap, contain each other and stand in the text.
    #[test]
    fn the_automaton_equals_a_naive_search(
        words in prop::collection::vec(("[赌博博彩賭aA1.½]{1,4}", 0_usize..4), 1..12),
        text in "[赌博彩賭aAＡ1１½b \u{200B}.,，😀]{0,40}",
    ) {
        let levels = ["note", "review", "block", "allow"];
        let lines: String = words
            .iter()
            .filter(|(w, _)| file::spell(w).is_ok())
            .map(|(w, l)| format!("{w}\t{}\t*\t甲\t-\n", levels[*l]))
            .collect();
        let lexicon = lexicon(&lines);
        let (mut fast, mut slow) = (lexicon.find(&text), naive(&lexicon, &text));
        fast.sort();
        slow.sort();
        prop_assert_eq!(fast, slow);
        let (place, today) = (Place::Column(&[]), day("2026-11-24"));
        let hits = lexicon.scan(&text, place, today);
        prop_assert_eq!(&hits, &lexicon.scan_with(&text, place, today, |t| naive(&lexicon, t)));
        // The places are those of the original: what stands there folds to the word.
        for hit in hits {
            let there: String = text.chars().skip(hit.start).take(hit.end - hit.start).collect();
            prop_assert!(fold::squeezed(&there).contains(&fold::squeezed(&hit.entry.word)));
        }
    }

    #[test]
    fn no_text_and_no_file_breaks_it(text in "\\PC{0,60}", lines in "(\\PC{0,6}\t?){0,30}\n?") {
        let _ = Lexicon::build([("w", lines.as_str())]);
        let _ = lexicon(LINES).scan(&text, Place::Column(&[]), day("2026-11-24"));
    }
}
