//! Content-codings: whatever is wrapped around a body, rules see what is in it or nobody does.

use super::{ADMIN, Case, FORM, JSON, Scene, USER, passes, stopped};
use std::io::Write as _;

fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    level(bytes, flate2::Compression::default())
}

fn level(bytes: impl AsRef<[u8]>, level: flate2::Compression) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    zstd::encode_all(bytes.as_ref(), 3).unwrap()
}

/// One uncompressed meta-block of up to 4096 bytes, and the empty last one (RFC 7932 §9.2).
fn brotli(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let length = u32::try_from(bytes.len()).unwrap() - 1;
    let head = (length << 4 | 1 << 20).to_le_bytes();
    [&head[..3], bytes, &[0x03]].concat()
}

/// A gzip member with a comment in its head (RFC 1952 §2.3).
fn gzip_with_comment(comment: &str, bytes: &str) -> Vec<u8> {
    let plain = gzip(bytes);
    let mut flagged = plain[..10].to_vec();
    flagged[3] |= 0x10;
    [&flagged[..], comment.as_bytes(), b"\0", &plain[10..]].concat()
}

/// A zstd frame that decoders skip (RFC 8878 §3.1.2).
fn skippable(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_le_bytes();
    [&[0x50, 0x2a, 0x4d, 0x18], &length[..], content].concat()
}

fn json(name: &str, coding: &str, body: impl AsRef<[u8]>) -> Case {
    let case = stopped(name, "/users", JSON, body);
    if coding.is_empty() { case } else { case.coded(coding) }
}

fn fine(name: &str, coding: &str, body: impl AsRef<[u8]>) -> Case {
    Case { passes: true, ..json(name, coding, body) }
}

fn changed(mut bytes: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    change(&mut bytes);
    bytes
}

#[tokio::test]
async fn codings() {
    let scene = Scene::new().await;
    let large = format!("{{\"pad\": \"{}\", \"role\": \"admin\"}}", "a".repeat(100_000));
    let bomb = vec![b' '; 30 << 20];
    let split_at = |at: usize| ADMIN.split_at(at);
    scene
        .judge([
            json("plain", "", ADMIN),
            json("gzip", "gzip", gzip(ADMIN)),
            json("gzip, stored", "gzip", level(ADMIN, flate2::Compression::none())),
            json("gzip in capitals", "GZIP", gzip(ADMIN)),
            json("x-gzip", "x-gzip", gzip(ADMIN)),
            json("X-GZip", "X-GZip", gzip(ADMIN)),
            json("deflate as zlib", "deflate", zlib(ADMIN)),
            json("deflate, bare", "deflate", deflate(ADMIN)),
            json("x-deflate", "x-deflate", zlib(ADMIN)),
            json("zlib", "zlib", zlib(ADMIN)),
            json("br", "br", brotli(ADMIN)),
            json("BR", "Br", brotli(ADMIN)),
            json("brotli, the word", "brotli", brotli(ADMIN)),
            json("zstd", "zstd", zstd(ADMIN)),
            json("x-zstd", "x-zstd", zstd(ADMIN)),
            json(
                "JSON that is a deflate stream as well",
                "deflate",
                "\n \n  {\"G\":\"(\",\n\"role\" :\n\"\\u0061dmin\",\"\":\"8!`\" } \n ",
            ),
            json("compress", "compress", ADMIN),
            json("x-compress", "x-compress", ADMIN),
            json("lzma", "lzma", ADMIN),
            json("exi", "exi", ADMIN),
            json("pack200-gzip", "pack200-gzip", gzip(ADMIN)),
            json("aes128gcm", "aes128gcm", ADMIN),
            json("dcb", "dcb", ADMIN),
            json("dcz", "dcz", ADMIN),
            json("aws-chunked", "aws-chunked", ADMIN),
            json("chunked as a coding", "chunked", ADMIN),
            json("identity", "identity", ADMIN),
            json("none", "none", ADMIN),
            json("quoted", "\"gzip\"", gzip(ADMIN)),
            json("with a parameter", "gzip;q=1", gzip(ADMIN)),
            json("with a comment", "gzip (x)", gzip(ADMIN)),
            json("two in a list", "zstd, gzip", gzip(zstd(ADMIN))),
            json("two of a kind", "gzip, gzip", gzip(gzip(ADMIN))),
            json("identity first", "identity, gzip", gzip(ADMIN)),
            json("identity last", "gzip, identity", gzip(ADMIN)),
            json("identity many times", "identity, identity, identity, identity", ADMIN),
            json("empty items", ", ,gzip,,", gzip(ADMIN)),
            json("a tab in the list", "\tgzip\t", gzip(ADMIN)),
            json("three layers", "gzip, gzip, gzip", gzip(gzip(gzip(ADMIN)))),
            json(
                "twelve layers",
                &["gzip"; 12].join(","),
                (0..12).fold(ADMIN.as_bytes().to_vec(), |b, _| gzip(b)),
            ),
            json("in the wrong order", "gzip, zstd", gzip(zstd(ADMIN))),
            json("two fields", "zstd", gzip(zstd(ADMIN))).coded("gzip"),
            json("two fields of a kind", "gzip", gzip(gzip(ADMIN))).coded("gzip"),
            json("two fields, one layer", "gzip", gzip(ADMIN)).coded("gzip"),
            json("an empty field and another", "", gzip(ADMIN)).coded("").coded("gzip"),
            json("no label: gzip", "", gzip(ADMIN)),
            json("no label: zlib", "", zlib(ADMIN)),
            json("no label: zstd", "", zstd(ADMIN)),
            json("no label: bare deflate", "", deflate(ADMIN)),
            json("no label: br", "", brotli(ADMIN)),
            json("identity, but gzip", "identity", gzip(ADMIN)),
            json("gzip, but zstd", "gzip", zstd(ADMIN)),
            json("gzip, but deflate", "gzip", zlib(ADMIN)),
            json("gzip, but plain", "gzip", ADMIN),
            json("br, but plain", "br", ADMIN),
            json("br, but gzip", "br", gzip(ADMIN)),
            json("zstd, but gzip", "zstd", gzip(ADMIN)),
            json("deflate, but gzip", "deflate", gzip(ADMIN)),
            json("deflate, but plain", "deflate", ADMIN),
            json("gzip once more than it says", "gzip", gzip(gzip(ADMIN))),
            json("a label for the transfer", "", gzip(ADMIN)).field("Transfer-Encoding: gzip"),
            json("a transfer coding before chunked", "", gzip(ADMIN))
                .field("Transfer-Encoding: gzip, chunked"),
            json("coded for e-mail", "", "eyJyb2xlIjoiYWRtaW4ifQ==")
                .field("Content-Transfer-Encoding: base64"),
            json("two members", "gzip", [gzip(split_at(9).0), gzip(split_at(9).1)].concat()),
            json("many members", "gzip", ADMIN.bytes().flat_map(|b| gzip([b])).collect::<Vec<u8>>()),
            json("an empty member first", "gzip", [gzip(""), gzip(ADMIN)].concat()),
            json("a second document in a second member", "gzip", [gzip(ADMIN), gzip(USER)].concat()),
            json("the other way round", "gzip", [gzip(USER), gzip(ADMIN)].concat()),
            json("two frames", "zstd", [zstd(split_at(9).0), zstd(split_at(9).1)].concat()),
            json("a skippable frame first", "zstd", [skippable(b"x"), zstd(ADMIN)].concat()),
            json("a skippable frame last", "zstd", [zstd(ADMIN), skippable(b"x")].concat()),
            json("junk behind gzip", "gzip", [gzip(USER), b"junk".to_vec()].concat()),
            json("zeros behind gzip", "gzip", [gzip(ADMIN), vec![0; 512]].concat()),
            json("junk behind zlib", "deflate", [zlib(USER), b"junk".to_vec()].concat()),
            json("JSON behind zlib", "deflate", [zlib(USER), ADMIN.into()].concat()),
            json("junk behind zstd", "zstd", [zstd(USER), b"junk".to_vec()].concat()),
            json("junk behind br", "br", [brotli(USER), b"junk".to_vec()].concat()),
            json(
                "a wrong checksum",
                "gzip",
                changed(gzip(USER), |b| {
                    let at = b.len() - 6;
                    b[at] ^= 1;
                }),
            ),
            json("a wrong length", "gzip", changed(gzip(USER), |b| *b.last_mut().unwrap() ^= 1)),
            json("a wrong Adler-32", "deflate", changed(zlib(USER), |b| *b.last_mut().unwrap() ^= 1)),
            json("cut off", "gzip", changed(gzip(USER), |b| b.truncate(b.len() - 3))),
            json("cut off, zlib", "deflate", changed(zlib(USER), |b| b.truncate(b.len() - 3))),
            json("cut off, zstd", "zstd", changed(zstd(USER), |b| b.truncate(b.len() - 1))),
            json("cut off, br", "br", changed(brotli(USER), |b| b.truncate(b.len() - 1))),
            json("a reserved flag", "gzip", changed(gzip(ADMIN), |b| b[3] |= 0x80)),
            json(
                "a dictionary",
                "deflate",
                changed(zlib(ADMIN), |b| {
                    b[0] = 0x78;
                    b[1] = 0xbb;
                }),
            ),
            json(
                "a zstd dictionary",
                "zstd",
                changed(zstd(ADMIN), |b| {
                    b[4] |= 1;
                    b.insert(5, 7);
                }),
            ),
            json("a large window, br", "br", [&[0x11, 0x1e][..], &brotli(ADMIN)[..]].concat()),
            json("a bomb", "gzip", gzip(&bomb)),
            json("a bomb in a bomb", "gzip, gzip", gzip(gzip(&bomb))),
            json("a bomb, zstd", "zstd", zstd(&bomb)),
            json("behind much air", "gzip", gzip(&large)),
            json("chunked as well", "gzip", gzip(ADMIN)).chunked(),
            stopped(
                "a form in a member, more in the next",
                "/users",
                FORM,
                [gzip("role=admin"), gzip("x")].concat(),
            )
            .coded("gzip"),
            stopped("a form in frames", "/users", FORM, [zstd("role=admin"), zstd("x")].concat())
                .coded("zstd"),
            stopped("a form, gzip", "/users", FORM, gzip("a=1&role=admin")).coded("gzip"),
            stopped(
                "a form for those who undo nothing",
                "/users",
                FORM,
                gzip_with_comment("&role=admin&", "a=1"),
            )
            .coded("gzip"),
            stopped(
                "the same in a frame",
                "/users",
                FORM,
                [skippable(b"&role=admin&"), zstd("a=1")].concat(),
            )
            .coded("zstd"),
            stopped("text, gzip", "/text", "text/plain", gzip("drop table users")).coded("gzip"),
            stopped(
                "text for those who undo nothing",
                "/text",
                "text/plain",
                gzip_with_comment("drop table", "x"),
            )
            .coded("gzip"),
            stopped("without a type", "/users", "", gzip(ADMIN)).coded("gzip"),
            stopped("as text", "/users", "text/plain", zstd(ADMIN)).coded("zstd"),
            stopped("an amount, coded", "/pay", JSON, gzip(r#"{"amount": 20000}"#)).coded("gzip"),
            stopped("an expression, coded", "/cel", JSON, gzip(ADMIN)).coded("gzip"),
            fine("benign: plain", "", USER),
            fine("benign: gzip", "gzip", gzip(USER)),
            fine("benign: gzip, stored", "gzip", level(USER, flate2::Compression::none())),
            fine("benign: gzip, best", "gzip", level(USER, flate2::Compression::best())),
            fine("benign: x-gzip", "x-gzip", gzip(USER)),
            fine("benign: GZip", "GZip", gzip(USER)),
            fine("benign: zlib", "deflate", zlib(USER)),
            fine("benign: bare deflate", "deflate", deflate(USER)),
            fine("benign: br", "br", brotli(USER)),
            fine("benign: zstd", "zstd", zstd(USER)),
            fine("benign: identity", "identity", USER),
            fine("benign: Identity", "Identity", USER),
            fine("benign: an empty field", "", USER).coded(""),
            fine("benign: identity and gzip", "identity, gzip", gzip(USER)),
            fine("benign: two layers", "zstd, gzip", gzip(zstd(USER))),
            fine(
                "benign: two members of JSON",
                "gzip",
                [gzip(USER.split_at(9).0), gzip(USER.split_at(9).1)].concat(),
            ),
            fine("benign: gzip with a comment", "gzip", gzip_with_comment("made by us", USER)),
            fine("benign: gzip, chunked", "gzip", gzip(USER)).chunked(),
            fine("benign: well compressed", "gzip", gzip(format!("[{}0]", "1,".repeat(20_000)))),
            passes("benign: a form, gzip", "/users", FORM, gzip("a=1&role=user&b=%C3%A4+x")).coded("gzip"),
            passes("benign: text, gzip", "/text", "text/plain", gzip("select * from users")).coded("gzip"),
            passes("benign: an amount, zstd", "/pay", JSON, zstd(r#"{"amount": 10000}"#)).coded("zstd"),
            passes("benign: no rule minds gzip", "/echo", "application/gzip", gzip(ADMIN)),
            passes("benign: no rule minds lzma", "/echo", JSON, ADMIN).coded("lzma"),
            passes("benign: no rule minds junk", "/echo", JSON, "junk").coded("gzip"),
        ])
        .await;
}
