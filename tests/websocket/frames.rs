//! Frames to the letter of RFC 6455: what is sound passes, what is not ends the connection, and nothing of it leaves.

use super::Scene;
use super::support::websocket::{Frame, Socket, masked, written};

#[tokio::test]
async fn what_is_sound_arrives_as_it_was_said() {
    let scene = Scene::new().await;
    let mut socket = Socket::open(&scene.holdpoint, "/ws", "").await;
    for length in [0, 1, 125, 126, 65_535, 65_536, 200_000] {
        socket.echo(&"x".repeat(length)).await;
    }
    socket.send(0x82, b"{\"a\": 1}").await;
    assert_eq!(socket.next().await, Frame { first: 0x82, payload: b"{\"a\": 1}".to_vec() });

    // Two messages in one segment, one message in many.
    socket.wire.send([masked(0x81, "one"), masked(0x81, "two")].concat()).await;
    assert_eq!((socket.next().await.text(), socket.next().await.text()), ("one", "two"));
    for byte in masked(0x81, "byte by byte") {
        socket.wire.send([byte]).await;
    }
    assert_eq!(socket.next().await.text(), "byte by byte");

    // Fragments with a ping between them: the ping is answered at once, the message leaves whole.
    socket.send(0x01, "fr").await;
    socket.send(0x89, "are you there").await;
    assert_eq!(socket.next().await, Frame { first: 0x8A, payload: b"are you there".to_vec() });
    socket.send(0x00, "").await;
    socket.send(0x80, "agments").await;
    assert_eq!(socket.next().await.text(), "fragments");
    let seen = scene.origin.sockets().seen();
    assert_eq!(seen.len(), 13, "one frame for each message, and the ping");

    socket.send(0x88, b"\x03\xe8done").await;
    assert_eq!(socket.next().await.close(), (1000, "done"));
    socket.ends().await;
    scene.origin.sockets().ended(1).await;
}

/// The origin reads the bytes that the agent wrote: those that were judged.
#[tokio::test]
async fn what_is_sound_arrives_to_the_byte() {
    let scene = Scene::new().await;
    let mut socket = Socket::open(&scene.holdpoint, "/ws", "").await;
    let sent = [masked(0x81, "hello"), masked(0x8A, "unasked"), masked(0x82, [7; 300])].concat();
    socket.wire.send(&sent).await;
    scene.origin.sockets().arrived(3).await;
    let wire = scene.origin.taken().concat();
    assert!(wire.ends_with(&sent), "{wire:02x?}");
}

#[tokio::test]
async fn what_is_not_sound_ends_both_sides() {
    let scene = Scene::with(|setup| setup.set("/inspect", serde_json::json!({ "max-bytes": "64KiB" }))).await;
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("no mask", written(0x81, b"hello", None), 1002),
        ("a reserved bit, as compression sets it", masked(0xC1, "\u{2}"), 1002),
        ("an unknown opcode", masked(0x83, ""), 1002),
        ("a continuation of nothing", masked(0x80, "x"), 1002),
        ("a message within a message", [masked(0x01, "a"), masked(0x81, "b")].concat(), 1002),
        ("a fragment of a ping", masked(0x09, ""), 1002),
        ("a long ping", masked(0x89, [0; 126]), 1002),
        ("half a close code", masked(0x88, b"\x03"), 1002),
        ("a close code that is not to be sent", masked(0x88, 1005_u16.to_be_bytes()), 1002),
        ("no UTF-8", masked(0x81, b"\xc0\xaf"), 1007),
        ("no UTF-8 over fragments", [masked(0x01, b"\xe2\x82"), masked(0x80, b"x")].concat(), 1007),
        ("too long", masked(0x82, vec![0; (64 << 10) + 1]), 1009),
        (
            "too long over fragments",
            [masked(0x01, vec![b'x'; 40 << 10]), masked(0x80, vec![b'x'; 40 << 10])].concat(),
            1009,
        ),
    ];
    for (nth, (what, bytes, code)) in cases.into_iter().enumerate() {
        let mut socket = Socket::open(&scene.holdpoint, "/ws", "").await;
        let before = scene.origin.sockets().seen().len();
        socket.echo("sound").await;
        socket.wire.send(bytes).await;
        let close = socket.next().await;
        assert_eq!(close.close().0, code, "{what}");
        assert!(close.close().1.starts_with("Holdpoint was sent "), "{what}: {close:?}");
        socket.ends().await;
        scene.origin.sockets().ended(nth + 1).await;
        let seen = scene.origin.sockets().seen().split_off(before);
        assert_eq!((seen.len(), seen[0].text(), seen[1].close().0), (2, "sound", code), "{what}");
    }
    let ends: Vec<_> = scene.holdpoint.traffic().iter().map(|line| line["end"].clone()).collect();
    assert!(ends.iter().all(|end| end == "malformed"), "{ends:?}");
}

/// What was said before something unsound was sound.
#[tokio::test]
async fn what_came_before_is_still_judged() {
    let scene = Scene::new().await;
    let mut socket = Socket::open(&scene.holdpoint, "/ws", "").await;
    socket.wire.send([masked(0x81, "first"), masked(0x83, "")].concat()).await;
    // The echo may be faster than the end.
    let mut frame = socket.next().await;
    while frame.first != 0x88 {
        frame = socket.next().await;
    }
    assert_eq!(frame.close().0, 1002);
    assert_eq!(scene.origin.sockets().arrived(2).await[0].text(), "first");
}

/// A server that took each fragment for a message would see what nobody has judged.
#[tokio::test]
async fn fragments_do_not_hide_what_is_said() {
    let scene = Scene::new().await;
    let mut socket = Socket::open(&scene.holdpoint, "/ws", "").await;
    for fragment in [(0x01, "DEL"), (0x00, ""), (0x80, "ETE it")] {
        socket.send(fragment.0, fragment.1).await;
    }
    let hold = scene.reviewer.wait_pending().await;
    assert!(scene.origin.sockets().seen().is_empty());
    assert_eq!(scene.reviewer.approve(&hold).await.status, 200);
    assert_eq!(socket.next().await.text(), "DELETE it");
    assert_eq!(scene.origin.sockets().seen(), [Frame { first: 0x81, payload: b"DELETE it".to_vec() }]);
}

/// An origin that breaks the rules is not followed: nobody would know where its messages end.
#[tokio::test]
async fn an_origin_that_is_not_sound_is_left() {
    let scene = Scene::new().await;
    let mut socket = Socket::open(&scene.holdpoint, "/ws", "").await;
    socket.echo("hello").await;
    scene.origin.sockets().say(&masked(0x81, "a server does not mask"));
    assert_eq!(socket.next().await.close().0, 1002);
    socket.ends().await;
    scene.origin.sockets().ended(1).await;
}
