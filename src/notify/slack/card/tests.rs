use super::*;
use crate::hold::HoldId;
use crate::notify::slack::blocks::{
    BLOCKS_MAX, BUTTON_CHARS_MAX, CONFIRM_BUTTON_CHARS_MAX, CONFIRM_TEXT_CHARS_MAX, CONFIRM_TITLE_CHARS_MAX,
    CONTEXT_ELEMENTS_MAX, PLAIN_CHARS_MAX, URL_CHARS_MAX,
};
use jiff::Timestamp;
use proptest::prelude::*;

const PAGE: &str = "https://holds.example/holds/hp_000000000001";
const STATES: [HoldState; 6] = HoldState::ALL;

fn card() -> Card {
    Card {
        hold: HoldId::from_random(1),
        version: 1,
        state: HoldState::Pending,
        title: "Refund 1,200.00 USD to cus_9 in Stripe".to_owned(),
        agent: "ci".to_owned(),
        owners: "Ann Owner".to_owned(),
        rule: "stripe/large-refund".to_owned(),
        why: "Refunds above 100 USD need a second person.".to_owned(),
        risk: Risk::Medium,
        tags: vec!["money-out".to_owned()],
        matched: vec![("body./amount".to_owned(), "120000".to_owned())],
        request: "POST https://api.stripe.com/v1/refunds\ncontent-type: application/json\n\n{\n  \"amount\": 120000\n}\n"
            .to_owned(),
        whole: true,
        digest: "4f1c 22ab".to_owned(),
        history: "Never seen before.".to_owned(),
        created_at: Timestamp::constant(1_700_000_000, 0),
        expires_at: Timestamp::constant(1_700_003_600, 0),
        have: 1,
        needed: 2,
        votes: vec!["Bob approved (slack)".to_owned()],
        status: "Waits for a decision.".to_owned(),
        requests: 2,
        agent_says: Some("The customer <!channel> asked *nicely*.".to_owned()),
        step_up: false,
        solo: false,
        grant: None,
    }
}

fn drawn(card: &Card) -> Drawn {
    draw(&Face { card, button: "hpb_button", page: PAGE })
}

/// The texts of the buttons.
fn labels(drawn: &Drawn) -> Vec<String> {
    let rows = drawn.message.blocks.iter().filter(|block| block["type"] == "actions");
    let buttons = rows.flat_map(|row| row["elements"].as_array().unwrap());
    buttons.map(|button| button["text"]["text"].as_str().unwrap().to_owned()).collect()
}

fn all_text(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text}\n"),
        Value::Array(items) => items.iter().map(all_text).collect(),
        Value::Object(entries) => entries.values().map(all_text).collect(),
        _ => String::new(),
    }
}

/// Every limit of Slack, on everything in a message.
fn check(message: &Message) -> Result<(), TestCaseError> {
    let blocks = json!(message.blocks);
    prop_assert!(!message.blocks.is_empty() && message.blocks.len() <= BLOCKS_MAX);
    prop_assert!(blocks::size(&blocks) <= MESSAGE_BYTES_MAX, "{} bytes", blocks::size(&blocks));
    prop_assert!(!message.text.is_empty() && message.text.chars().count() < 4_000);
    check_within(&blocks, None)
}

fn check_within(value: &Value, inside: Option<&str>) -> Result<(), TestCaseError> {
    if let Value::Array(items) = value {
        return items.iter().try_for_each(|item| check_within(item, inside));
    }
    let Value::Object(entries) = value else { return Ok(()) };
    let kind = entries.get("type").and_then(Value::as_str);
    let length = |key: &str| entries.get(key).and_then(Value::as_str).map_or(0, |t| t.encode_utf16().count());
    let count = |key: &str| entries.get(key).and_then(Value::as_array).map_or(0, Vec::len);
    prop_assert!(kind != Some("mrkdwn"), "no markup is made of anything");
    match kind {
        Some("plain_text") => {
            let most = match inside {
                Some("header") => HEADER_CHARS_MAX,
                Some("button") => BUTTON_CHARS_MAX,
                _ => PLAIN_CHARS_MAX,
            };
            prop_assert!((1..=most).contains(&length("text")), "{inside:?} {value}");
        }
        Some("text") => prop_assert!(length("text") > 0, "Slack refuses empty texts"),
        Some("button") => {
            prop_assert!(length("action_id") <= 255 && length("value") <= 2_000);
            prop_assert!(length("url") <= URL_CHARS_MAX);
            if let Some(confirm) = entries.get("confirm") {
                let within = |key: &str, most| confirm[key]["text"].as_str().unwrap().chars().count() <= most;
                prop_assert!(
                    within("title", CONFIRM_TITLE_CHARS_MAX) && within("text", CONFIRM_TEXT_CHARS_MAX)
                );
                prop_assert!(
                    within("confirm", CONFIRM_BUTTON_CHARS_MAX) && within("deny", CONFIRM_BUTTON_CHARS_MAX)
                );
            }
        }
        Some("context") => prop_assert!((1..=CONTEXT_ELEMENTS_MAX).contains(&count("elements"))),
        Some("actions") => prop_assert!((1..=25).contains(&count("elements"))),
        _ => {}
    }
    entries.iter().try_for_each(|(key, value)| {
        let inside = if key == "confirm" { Some("confirm") } else { kind.or(inside) };
        check_within(value, inside)
    })
}

#[test]
fn a_card_has_it_all() {
    insta::assert_json_snapshot!(drawn(&card()).message.blocks);
}

#[test]
fn nothing_of_it_ends_without_a_word() {
    for state in STATES {
        let status = format!("It is {}.", state.as_str());
        let card = Card { state, status: status.clone(), ..card() };
        let drawn = drawn(&card);
        let pending = state == HoldState::Pending;
        assert_eq!(labels(&drawn).is_empty(), !pending, "{state:?}");
        assert!(pending || all_text(&json!(drawn.message.blocks)).contains(&status));
    }
}

#[test]
fn only_what_is_whole_and_asks_for_no_more_can_be_approved_here() {
    let offers = |card: &Card| labels(&drawn(card)).contains(&"Approve".to_owned());
    assert!(offers(&card()));
    assert!(!offers(&Card { step_up: true, ..card() }));
    assert!(!offers(&Card { whole: false, ..card() }));
    let long = Card { request: "x".repeat(MESSAGE_BYTES_MAX), ..card() };
    assert!(!offers(&long) && drawn(&long).whole == [false]);
    let said = all_text(&json!(drawn(&long).message.blocks));
    assert!(said.contains("more characters: open the review"), "{said}");
    assert_eq!(labels(&drawn(&long)), ["Deny…", "Open the review"]);
    assert!(
        all_text(&json!(drawn(&Card { step_up: true, ..card() }).message.blocks))
            .contains("fresh, strong login")
    );
}

#[test]
fn high_risk_asks_once_more() {
    let asks =
        |risk| json!(drawn(&Card { risk, ..card() }).message.blocks).to_string().contains("\"confirm\"");
    assert!(!asks(Risk::Low) && !asks(Risk::Medium) && asks(Risk::High) && asks(Risk::Critical));
}

#[test]
fn what_differs_is_shown_for_each() {
    let with =
        |amount: u32| Card { request: card().request.replace("120000", &amount.to_string()), ..card() };
    let cards = [with(1), with(2), with(3)];
    let faces: Vec<Face<'_>> = cards.iter().map(|card| Face { card, button: "hpb_1", page: PAGE }).collect();
    let shared = draw_shared(&faces).unwrap();
    let said = all_text(&json!(shared.message.blocks));
    assert!(said.contains("⟨1⟩   \"amount\": 2\n") && said.contains("{\n⟨1⟩\n}\n"), "{said}");
    assert_eq!(labels(&shared).iter().filter(|label| *label == "Approve").count(), 3);
    assert_eq!(shared.whole, [true; 3]);
    // What has other lines, is not whole, or is alone shares nothing.
    let other = Card { request: "GET https://api.stripe.com/".to_owned(), ..card() };
    let cut = Card { whole: false, ..with(4) };
    let riskier = Card { risk: Risk::Critical, ..with(4) };
    let bracketed = Card { request: with(4).request.replace("content", "⟨1⟩"), ..card() };
    for odd in [&other, &cut, &riskier, &bracketed] {
        let faces = [faces[0], Face { card: odd, ..faces[0] }];
        assert_eq!(draw_shared(&faces), None);
    }
    assert_eq!(draw_shared(&faces[..1]), None);
}

#[test]
fn whom_it_calls_on_has_its_room() {
    let many = |text: &str| vec![text.repeat(40); 40];
    let calls =
        calls(&many("U").iter().map(|user| user.chars().take(11).collect()).collect::<Vec<_>>(), &many("界"));
    assert!(blocks::size(&calls.unwrap()) <= CALLS_BYTES);
    assert_eq!(super::calls(&[], &[]), None);
}

/// For the pictures of the documentation.
#[test]
fn how_cards_look() {
    let asked = |state: HoldState, status: &str| Card { state, status: status.to_owned(), ..card() };
    let released = asked(HoldState::Released, "Released by Carol: the service answered 200.");
    insta::assert_json_snapshot!("released", drawn(&released).message.blocks);
    let denied = asked(HoldState::Denied, "Denied by Carol: not on a Friday");
    insta::assert_json_snapshot!("denied", drawn(&denied).message.blocks);
    let refund = |number: u32, amount: u32| Card {
        hold: HoldId::from_random(u64::from(number)),
        title: format!("Refund {}.00 USD in Stripe", amount / 100),
        matched: vec![("body./amount".to_owned(), amount.to_string())],
        request: card().request.replace("120000", &amount.to_string()),
        digest: format!("4f1c 22a{number}"),
        have: 0,
        votes: Vec::new(),
        agent_says: None,
        ..card()
    };
    let cards = [refund(1, 12_000), refund(2, 25_000), refund(3, 99_000)];
    let faces: Vec<Face<'_>> = cards.iter().map(|card| Face { card, button: "hpb_1", page: PAGE }).collect();
    insta::assert_json_snapshot!("shared", draw_shared(&faces).unwrap().message.blocks);
}

#[test]
fn notifications_are_escaped() {
    let hostile = Card { title: "<!channel> <https://evil|ok>".to_owned(), ..card() };
    assert_eq!(
        drawn(&hostile).message.text,
        "Approval needed: &lt;!channel&gt; &lt;https://evil|ok&gt; (agent ci)"
    );
    assert!(!notice("<!here> & co").text.contains('<'));
}

/// The sentence about the strong login has to find room as well.
#[test]
fn a_card_that_is_full_has_room_for_its_refusal() {
    for length in 0..2_000 {
        let full = Card { step_up: true, request: "x".repeat(9_000 + length), ..card() };
        let drawn = drawn(&full);
        assert!(blocks::size(&json!(drawn.message.blocks)) + CALLS_BYTES <= MESSAGE_BYTES_MAX, "{length}");
    }
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,20}",
        ".{0,3000}",
        Just("\"\\".repeat(2_000)),
        Just("界".repeat(3_000)),
        Just(String::new())
    ]
}

prop_compose! {
    fn cards()(
        (title, agent, owners, rule, why) in (texts(), texts(), texts(), texts(), texts()),
        (request, history, status, says) in (texts(), texts(), texts(), proptest::option::of(texts())),
        tags in proptest::collection::vec(texts(), 0..9),
        matched in proptest::collection::vec((texts(), texts()), 0..9),
        votes in proptest::collection::vec(texts(), 0..12),
        (whole, step_up, solo) in any::<(bool, bool, bool)>(),
        (state, risk) in (0usize..6, prop_oneof![Just(Risk::Low), Just(Risk::Critical)]),
    ) -> Card {
        Card {
            title, agent, owners, rule, why, request, history, status, tags, matched, votes, whole, step_up, solo, risk,
            agent_says: says, state: STATES[state], ..card()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_card_is_within_every_limit(card in cards()) {
        let drawn = drawn(&card);
        check(&drawn.message)?;
        prop_assert!(blocks::size(&json!(drawn.message.blocks)) + CALLS_BYTES <= MESSAGE_BYTES_MAX);
        let approvable = labels(&drawn).contains(&"Approve".to_owned());
        let shown = all_text(&json!(drawn.message.blocks)).contains(&card.request);
        prop_assert!(!approvable || (card.whole && shown && card.state == HoldState::Pending && !card.step_up));
        prop_assert!(!drawn.whole[0] || shown);
    }

    #[test]
    fn every_shared_card_is_within_every_limit(
        cards in proptest::collection::vec(cards(), 2..5), lines in "[a-z]{0,9}\n[a-z]{0,2000}",
    ) {
        let cards: Vec<Card> =
            cards.iter().map(|own| Card {
                request: lines.clone(), whole: true, agent: cards[0].agent.clone(), owners: cards[0].owners.clone(),
                rule: cards[0].rule.clone(), why: cards[0].why.clone(), tags: cards[0].tags.clone(),
                risk: cards[0].risk, solo: cards[0].solo, ..own.clone()
            }).collect();
        let faces: Vec<Face<'_>> =
            cards.iter().map(|card| Face { card, button: "hpb_1", page: PAGE }).collect();
        if let Some(shared) = draw_shared(&faces) {
            check(&shared.message)?;
        }
        check(&too_many(&faces).message)?;
    }

    #[test]
    fn notices_and_digests_are_within_every_limit(text in texts(), agents in proptest::collection::vec(texts(), 0..20)) {
        check(&notice(&text))?;
        check(&digest(12, &agents, "https://holds.example/"))?;
    }
}
