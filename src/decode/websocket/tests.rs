use super::*;
use proptest::prelude::*;

const MASK: [u8; 4] = [0xA1, 0x02, 0xF3, 0x54];

/// A frame as a client would write it: the first byte as given, the payload masked, the length in the shortest way.
fn client(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = server(first, payload);
    bytes[1] |= 0x80;
    let at = bytes.len() - payload.len();
    bytes.splice(at..at, MASK);
    apply_mask(&mut bytes[at + 4..], MASK, 0);
    bytes
}

fn server(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(u8::try_from(length).unwrap()),
        length @ 126..0x10000 => {
            bytes.push(126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(127);
            bytes.extend(u64::try_from(length).unwrap().to_be_bytes());
        }
    }
    bytes.extend(payload);
    bytes
}

/// Everything that is read, the bytes fed in pieces of `piece`.
fn read(bytes: &[u8], piece: usize) -> Result<Vec<Event>, Violation> {
    let mut reader = Reader::new(100_000);
    let (mut waiting, mut events) = (BytesMut::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        waiting.extend_from_slice(piece);
        while let Some(event) = reader.next(&mut waiting)? {
            events.push(event);
        }
    }
    Ok(events)
}

fn text(payload: &[u8]) -> Event {
    Event::Message(Message { kind: Kind::Text, payload: Bytes::copy_from_slice(payload), mask: MASK })
}

fn binary(payload: &[u8]) -> Event {
    Event::Message(Message { kind: Kind::Binary, payload: Bytes::copy_from_slice(payload), mask: MASK })
}

fn control_frame(frame: &[u8], closes: bool) -> Event {
    Event::Control(Control { closes, frame: Bytes::copy_from_slice(frame) })
}

#[test]
fn what_clients_send() {
    let (ping, pong) = (client(0x89, b"are you there"), client(0x8A, b""));
    let close = client(0x88, b"\x03\xe8bye");
    for (bytes, expected) in [
        (client(0x81, b"hello"), vec![text(b"hello")]),
        (client(0x82, b"\xff\x00"), vec![binary(b"\xff\x00")]),
        (client(0x81, b""), vec![text(b"")]),
        (client(0x81, &[b'x'; 125]), vec![text(&[b'x'; 125])]),
        (client(0x81, &[b'x'; 126]), vec![text(&[b'x'; 126])]),
        (client(0x82, &[7; 65_535]), vec![binary(&[7; 65_535])]),
        (client(0x82, &[7; 65_536]), vec![binary(&[7; 65_536])]),
        ([client(0x81, b"one"), client(0x81, b"two")].concat(), vec![text(b"one"), text(b"two")]),
        // Fragments, one of them empty, a character cut in two, and control frames in between.
        (
            [client(0x01, b"a\xc3"), ping.clone(), client(0x00, b""), pong.clone(), client(0x80, b"\xa4b")]
                .concat(),
            vec![control_frame(&ping, false), control_frame(&pong, false), text("aäb".as_bytes())],
        ),
        (client(0x88, b""), vec![control_frame(&client(0x88, b""), true)]),
        (close.clone(), vec![control_frame(&close, true)]),
        (client(0x89, &[1; 125]), vec![control_frame(&client(0x89, &[1; 125]), false)]),
    ] {
        for piece in [1, 2, 7, bytes.len()] {
            assert_eq!(read(&bytes, piece).as_ref(), Ok(&expected), "in pieces of {piece}: {bytes:02x?}");
        }
    }
}

#[test]
fn what_no_client_may_send() {
    let close = |code: u16| client(0x88, &code.to_be_bytes());
    let long = |head: &[u8]| [head, &MASK, b"xxxxxxx"].concat();
    for (what, bytes, code) in [
        ("no mask", server(0x81, b"hello"), PROTOCOL_ERROR),
        ("no mask on a ping", server(0x89, b""), PROTOCOL_ERROR),
        ("the first reserved bit", client(0xC1, b"hello"), PROTOCOL_ERROR),
        ("the second", client(0xA1, b"hello"), PROTOCOL_ERROR),
        ("the third", client(0x91, b"hello"), PROTOCOL_ERROR),
        ("a reserved bit on a control frame", client(0xC9, b""), PROTOCOL_ERROR),
        ("a reserved bit on a fragment", [client(0x01, b"a"), client(0xC0, b"b")].concat(), PROTOCOL_ERROR),
        ("an unknown data frame", client(0x83, b""), PROTOCOL_ERROR),
        ("an unknown control frame", client(0x8B, b""), PROTOCOL_ERROR),
        ("the last unknown one", client(0x8F, b""), PROTOCOL_ERROR),
        ("a continuation of nothing", client(0x80, b"a"), PROTOCOL_ERROR),
        ("a continuation after the last", [client(0x81, b"a"), client(0x80, b"b")].concat(), PROTOCOL_ERROR),
        ("a message within a message", [client(0x01, b"a"), client(0x81, b"b")].concat(), PROTOCOL_ERROR),
        ("another kind within a message", [client(0x01, b"a"), client(0x82, b"b")].concat(), PROTOCOL_ERROR),
        ("a fragment of a ping", client(0x09, b""), PROTOCOL_ERROR),
        ("a long ping", client(0x89, &[0; 126]), PROTOCOL_ERROR),
        ("a long close", client(0x88, &[0; 200]), PROTOCOL_ERROR),
        ("125 in two bytes", long(&[0x82, 0xFE, 0, 125]), PROTOCOL_ERROR),
        ("126 in eight bytes", long(&[0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0, 126]), PROTOCOL_ERROR),
        ("65535 in eight bytes", long(&[0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]), PROTOCOL_ERROR),
        ("a negative length", long(&[0x82, 0xFF, 0x80, 0, 0, 0, 0, 1, 0, 0]), PROTOCOL_ERROR),
        ("half a close code", client(0x88, b"\x03"), PROTOCOL_ERROR),
        ("a close code below all", close(999), PROTOCOL_ERROR),
        ("a close code that is reserved", close(1004), PROTOCOL_ERROR),
        ("no status", close(1005), PROTOCOL_ERROR),
        ("abnormal closure", close(1006), PROTOCOL_ERROR),
        ("a failed TLS handshake", close(1015), PROTOCOL_ERROR),
        ("a close code that nobody has registered", close(2999), PROTOCOL_ERROR),
        ("a close code above all", close(5000), PROTOCOL_ERROR),
        ("a reason that is no text", client(0x88, b"\x03\xe8\xff"), NOT_UTF8),
        ("text that is no UTF-8", client(0x81, b"\xc0\xaf"), NOT_UTF8),
        ("a surrogate", client(0x81, b"\xed\xa0\x80"), NOT_UTF8),
        ("a character that is cut", client(0x81, b"\xe2\x82"), NOT_UTF8),
        ("the same over fragments", [client(0x01, b"\xe2"), client(0x80, b"\x82")].concat(), NOT_UTF8),
        ("more than is judged", client(0x82, &[0; 100_001]), TOO_LARGE),
        ("more over fragments", [client(0x02, &[0; 60_000]), client(0x80, &[0; 40_001])].concat(), TOO_LARGE),
        (
            "a length that nobody has",
            long(&[0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
            TOO_LARGE,
        ),
    ] {
        for piece in [1, bytes.len()] {
            assert_eq!(read(&bytes, piece).map_err(|violation| violation.code), Err(code), "{what}");
        }
    }
}

#[test]
fn codes_that_may_be_sent_are_not_refused() {
    for code in
        [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
    {
        let frame = client(0x88, &u16::to_be_bytes(code));
        assert_eq!(read(&frame, 3), Ok(vec![control_frame(&frame, true)]), "{code}");
    }
}

/// A server that took each fragment for a message would see what nobody has judged.
#[test]
fn fragments_leave_as_one_frame() {
    let fragments =
        [client(0x01, br#"{"a":""#), client(0x00, br#"{"tool":"delete"}"#), client(0x80, br#""}"#)].concat();
    let events = read(&fragments, 5).unwrap();
    let [Event::Message(message)] = &events[..] else { panic!("one message: {events:?}") };
    assert_eq!(message.frame(), client(0x81, br#"{"a":"{"tool":"delete"}"}"#));
}

#[test]
fn frames_of_ours() {
    assert_eq!(text_frame("wait"), server(0x81, b"wait"));
    assert_eq!(close_frame(POLICY, "no", None), server(0x88, b"\x03\xf0no"));
    let masked = close_frame(POLICY, "no", Some(MASK));
    assert_eq!(read(&masked, 1), Ok(vec![control_frame(&client(0x88, b"\x03\xf0no"), true)]));
    // Cut between characters, so that it stays UTF-8.
    let long = close_frame(POLICY, &"ä".repeat(100), Some(MASK));
    assert_eq!(long.len(), 6 + 2 + 122);
    assert!(read(&long, 200).is_ok());
}

#[test]
fn a_server_is_followed_to_where_something_can_be_put() {
    let frames = [
        server(0x81, b"hello"),
        server(0x01, &[b'x'; 200]), // a fragment
        server(0x89, b"ping"),      // within the message
        server(0x80, b"end"),
        server(0x82, &[0; 70_000]),
    ];
    let stream = frames.concat();
    let ends: Vec<usize> = (0..=frames.len()).map(|count| frames[..count].concat().len()).collect();
    let messages = [ends[0], ends[1], ends[4], ends[5]];
    for piece in [1, 3, 50, stream.len()] {
        let mut walker = Walker::default();
        let mut at = 0;
        for bytes in stream.chunks(piece) {
            let last = |ends: &[usize]| {
                let here = ends.iter().rev().find(|end| (at + 1..=at + bytes.len()).contains(end));
                here.map(|end| end - at)
            };
            let expected = Places { message: last(&messages), control: last(&ends) };
            assert_eq!(walker.walk(bytes), Ok(expected), "at {at} in pieces of {piece}");
            at += bytes.len();
            assert_eq!(walker.places().message.is_some(), messages.contains(&at), "at {at}");
            assert_eq!(walker.places().control.is_some(), ends.contains(&at), "at {at}");
        }
    }
    let mut walker = Walker::default();
    assert_eq!(walker.walk(&server(0x88, b"\x03\xe8")), Ok(Places::default()), "it has said its last");
    assert_eq!(walker.places(), Places::default());
    for wrong in [client(0x81, b"masked"), server(0xC1, b"compressed"), server(0x83, b"unknown")] {
        assert_eq!(Walker::default().walk(&wrong).map_err(|v| v.code), Err(PROTOCOL_ERROR));
    }
}

#[test]
fn chatter_is_told_from_calls() {
    let body = |text: &str| crate::decode::body(&http::HeaderMap::new(), text.as_bytes(), Default::default());
    for chatter in [
        r#"{"type":"connection_init","payload":{"authorization":"Bearer x"}}"#,
        r#"{"type":"ping"}"#,
        r#"{"id":"1","type":"complete"}"#,
    ] {
        assert!(is_chatter("graphql-transport-ws", &body(chatter)), "{chatter}");
        assert!(!is_chatter("", &body(chatter)) && !is_chatter("mcp", &body(chatter)));
    }
    for call in [
        r#"{"id":"1","type":"subscribe","payload":{"query":"mutation { x }"}}"#,
        r#"{"type":"ping","type":"subscribe","payload":{"query":"mutation { x }"}}"#,
        r#"{"type":"ping","query":"mutation { x }"}"#,
        r#"{"type":"ping","payload":{},"payload":{"query":"mutation { x }"},"id":1}"#,
        r#"[{"type":"ping"}]"#,
        r#"{"Type":"ping"}"#,
        "ping",
    ] {
        assert!(!is_chatter("graphql-transport-ws", &body(call)), "{call}");
    }
}

prop_compose! {
    /// A message as a client may send it: its fragments, and what stands between them.
    fn any_message()(
        is_text in any::<bool>(),
        payload in prop_oneof!["\\PC{0,40}".prop_map(String::into_bytes), "[a-z]{100,400}".prop_map(String::into_bytes)],
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        pings in any::<bool>(),
    ) -> (Vec<u8>, Vec<Event>) {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
        at.sort_unstable();
        let bounds: Vec<usize> = [vec![0], at, vec![payload.len()]].concat();
        let (mut bytes, mut events) = (Vec::new(), Vec::new());
        let fragments = bounds.len() - 1;
        for (nth, bound) in bounds.windows(2).enumerate() {
            let opcode = match (nth, is_text) { (0, true) => 0x01, (0, false) => 0x02, _ => 0x00 };
            let last = if nth + 1 == fragments { 0x80 } else { 0 };
            if pings && nth > 0 {
                bytes.extend(client(0x89, b"p"));
                events.push(control_frame(&client(0x89, b"p"), false));
            }
            bytes.extend(client(opcode | last, &payload[bound[0]..bound[1]]));
        }
        events.push(if is_text { text(&payload) } else { binary(&payload) });
        (bytes, events)
    }
}

proptest! {
    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), piece in 1..9_usize) {
        let _ = read(&bytes, piece);
        let _ = Walker::default().walk(&bytes);
    }

    /// In pieces and with masks off and on again, a stream says the same, and leaves as what was read.
    #[test]
    fn every_way_to_cut_a_stream_says_the_same(
        messages in prop::collection::vec(any_message(), 0..4),
        piece in 1..60_usize,
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let expected: Vec<Event> = messages.into_iter().flat_map(|(_, events)| events).collect();
        let events = read(&bytes, piece).unwrap();
        prop_assert_eq!(&events, &expected);
        for event in events {
            let frame = match &event {
                Event::Message(message) => message.frame(),
                Event::Control(control) => control.frame.clone(),
            };
            prop_assert_eq!(read(&frame, piece).unwrap(), vec![event]);
        }
    }

    /// What is not told in fragments leaves as it came, byte for byte.
    #[test]
    fn a_whole_frame_leaves_as_it_came(is_text in any::<bool>(), payload in "\\PC{0,200}") {
        let frame = client(if is_text { 0x81 } else { 0x82 }, payload.as_bytes());
        let events = read(&frame, 11).unwrap();
        prop_assert!(matches!(&events[..], [Event::Message(message)] if message.frame() == frame));
    }

    #[test]
    fn a_mask_undoes_itself(payload in prop::collection::vec(any::<u8>(), 0..50), mask: [u8; 4], cut in 0..50_usize) {
        let cut = cut.min(payload.len());
        let mut masked = payload.clone();
        apply_mask(&mut masked, mask, 0);
        prop_assert!(masked.iter().zip(&payload).enumerate().all(|(at, (a, b))| a ^ b == mask[at % 4]));
        let (front, back) = masked.split_at_mut(cut);
        apply_mask(front, mask, 0);
        apply_mask(back, mask, cut);
        prop_assert_eq!(masked, payload);
    }
}
