use super::*;
use crate::hold::HoldId;
use jiff::Timestamp;
use proptest::prelude::*;

fn pending(request: &str) -> Card {
    Card {
        hold: HoldId::from_random(7),
        version: 1,
        state: HoldState::Pending,
        title: "Refund 1 200.00 USD to cus_9 in Stripe live".to_owned(),
        agent: "billing-bot".to_owned(),
        owners: "Ada Lovelace".to_owned(),
        rule: "stripe/large-refund".to_owned(),
        why: "Money leaves.".to_owned(),
        risk: Risk::High,
        tags: vec!["money-out".to_owned()],
        matched: vec![("body./amount".to_owned(), "120000".to_owned())],
        request: request.to_owned(),
        whole: true,
        digest: "0a1b2c3d".to_owned(),
        history: "Never seen before.".to_owned(),
        created_at: Timestamp::UNIX_EPOCH,
        expires_at: Timestamp::UNIX_EPOCH,
        have: 0,
        needed: 2,
        votes: Vec::new(),
        status: "Waits for a decision.".to_owned(),
        requests: 1,
        agent_says: None,
        step_up: false,
        grant: None,
        solo: false,
    }
}

fn drawn(card: &Card) -> Drawn {
    let entry = Entry { card, button: "hpb_opaque", page: "https://holds.example/holds/hp_1" };
    draw(&[entry], None, Size::Usual)
}

fn has_approve(content: &Value) -> bool {
    content.to_string().contains(r#""verb":"approve""#)
}

fn size(content: &Value) -> usize {
    activity(content, "x").to_string().len()
}

#[test]
fn a_card_shows_everything_and_offers_both() {
    let card = pending("POST https://api.stripe.com/v1/refunds\n\n{\n  \"amount\": 120000\n}\n");
    let drawn = drawn(&card);
    insta::assert_json_snapshot!(drawn.content);
    assert_eq!(drawn.whole, [true]);
}

#[test]
fn what_does_not_fit_is_not_approved() {
    for (request, whole) in
        [("x".repeat(20_000), true), ("x".repeat(60_000), false), ("x\n".repeat(9_000), false)]
    {
        let drawn = drawn(&pending(&request));
        assert_eq!(drawn.whole, [whole]);
        assert_eq!(has_approve(&drawn.content), whole);
        assert!(size(&drawn.content) <= 28_000 + 10);
        assert!(drawn.content.to_string().contains(r#""verb":"deny""#), "anybody may still say no");
    }
}

#[test]
fn what_may_not_be_approved_here_is_not_offered() {
    let step_up = Card { step_up: true, ..pending("GET https://x/") };
    assert!(!has_approve(&drawn(&step_up).content));
    let cut = Card { whole: false, ..pending("GET https://x/") };
    assert!(!has_approve(&drawn(&cut).content));
    // Teams would draw a date where the request has these letters.
    let dated = pending("POST https://x/\n\n{{DATE(2017-02-14T06:08:39Z)}}");
    let dated = drawn(&dated);
    assert_eq!(dated.whole, [false]);
    assert!(!has_approve(&dated.content));
    assert!(!dated.content.to_string().contains("{{DATE(2017"));
}

#[test]
fn what_is_over_has_only_a_link() {
    for state in HoldState::ALL.into_iter().filter(|state| *state != HoldState::Pending) {
        let card = Card { state, ..pending("GET https://x/") };
        let actions = drawn(&card).content["actions"].clone();
        let kinds: Vec<&str> =
            actions.as_array().unwrap().iter().filter_map(|a| a["type"].as_str()).collect();
        assert_eq!(kinds, ["Action.OpenUrl"], "{state:?}");
    }
}

#[test]
fn a_list_decides_each_for_itself() {
    let (small, large) = (pending("GET https://x/1"), pending(&"y".repeat(40_000)));
    let page = "https://holds.example/holds/hp_1";
    let entries = [
        Entry { card: &small, button: "hpb_one", page },
        Entry { card: &large, button: "hpb_two", page },
        Entry { card: &small, button: "hpb_three", page },
    ];
    let drawn = draw(&entries, None, Size::Usual);
    assert_eq!(drawn.whole, [true, false, true]);
    assert!(size(&drawn.content) <= 28_010);
    let text = drawn.content.to_string();
    assert_eq!(text.matches(r#""verb":"approve""#).count(), 2);
    assert_eq!(text.matches(r#""verb":"deny""#).count(), 3);
}

#[test]
fn the_workflow_card_only_links() {
    let card = pending("GET https://x/");
    let content =
        link_only(&Entry { card: &card, button: "hpb_opaque", page: "https://holds.example/holds/hp_1" });
    let text = content.to_string();
    assert_eq!(content["actions"].as_array().unwrap().len(), 1);
    assert!(!text.contains("Action.Execute") && !text.contains("Action.Submit") && !text.contains("hpb_"));
}

#[test]
fn whom_it_calls_on_is_mentioned() {
    let account = ("Ada [x](https://evil.example)".to_owned(), "0b1".to_owned());
    let called = Called { names: vec!["platform-oncall".to_owned(); 9], accounts: vec![account] };
    let mut content = drawn(&pending("GET https://x/")).content;
    called.add_to(&mut content);
    let line = content["body"][0]["text"].as_str().unwrap();
    assert!(line.starts_with("Called on: <at>Ada  x  https   evil.example </at>, platform-oncall"), "{line}");
    let entity = &content["msteams"]["entities"][0];
    assert_eq!(entity["mentioned"]["id"], "0b1");
    assert!(line.contains(entity["text"].as_str().unwrap()));

    let mut full = drawn(&pending(&"x".repeat(60_000))).content;
    let many = vec![("\u{4e2d}".repeat(90), "0".repeat(36)); 9];
    Called { names: vec!["\u{4e2d}".repeat(90); 9], accounts: many }.add_to(&mut full);
    assert!(size(&full) <= 28_010, "{}", size(&full));
}

/// Every text that Teams would read as Markdown.
fn markdown(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if members.get("type").and_then(Value::as_str) == Some("TextBlock") {
                found.extend(members.get("text").and_then(Value::as_str).map(str::to_owned));
            }
            members.values().for_each(|member| markdown(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| markdown(item, found)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Whatever the agent writes: the card is small enough, and none of it is read as Markdown.
    #[test]
    fn the_agent_has_no_markup(hostile in "[\\[\\]()*_`#>~|\"\\\\{}a-z\u{4e2d}\u{1f600}\n ]{1,4000}", times in 1_usize..30) {
        let hostile = format!("HOSTILE{hostile}");
        let card = Card {
            title: hostile.clone(), agent: hostile.clone(), owners: hostile.clone(), rule: hostile.clone(),
            why: hostile.clone(), tags: vec![hostile.clone(); 20], matched: vec![(hostile.clone(), hostile.clone()); 20],
            history: hostile.clone(), votes: vec![hostile.clone(); 9], status: hostile.clone(),
            agent_says: Some(hostile.clone()), request: hostile.repeat(times), ..pending("")
        };
        let entry = Entry { card: &card, button: "hpb_opaque", page: "https://holds.example/holds/hp_1" };
        for (entries, size_max) in [(vec![entry], Size::Usual), (vec![entry; 10], Size::Usual), (vec![entry], Size::Small)] {
            let drawn = draw(&entries, None, size_max);
            prop_assert!(size(&drawn.content) <= size_max.bytes() + 10, "{}", size(&drawn.content));
            prop_assert_eq!(drawn.whole.len(), entries.len());
            let mut read = Vec::new();
            markdown(&drawn.content, &mut read);
            prop_assert!(read.iter().all(|text| !text.contains("HOSTILE")));
            prop_assert!(!drawn.content["fallbackText"].as_str().unwrap_or_default().contains("HOSTILE"));
            prop_assert_eq!(has_approve(&drawn.content), drawn.whole.contains(&true));
            prop_assert_eq!(drawn.content.to_string().matches(r#""verb":"deny""#).count(), entries.len());
        }
    }
}
