//! Writes the seeds of all targets into `corpus/`: every configuration of `tests/cases`, the golden tokens, and
//! realistic headers of browsers and applications. For targets with typed input, the seeds are bytes of all kinds.

use std::fs;
use std::io;
use std::path::Path;

use session_affinity_fuzz::as_struct;

#[path = "../../tests/cases/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the cases are tests too")]
mod cases;

/// Values of `Set-Cookie`, as servers write them.
const SET_COOKIES: [&str; 7] = [
    "SID=abc; Path=/; HttpOnly",
    " SID =  a=b  ;path=/;  MAX-AGE=60 ;x",
    "a=1\nSID=x; Path=/\nsid=y\nSID=z\nSIDE=w",
    "SID=\"a b\";Secure",
    "SID=; Max-Age=0",
    "SID=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
    "SID=x; Expires=Wed, 09 Jun 2100 10:18:14 GMT; SameSite=None; Secure; Partitioned",
];
/// Values of `Cookie`, as browsers and other clients write them.
const COOKIES: [&str; 7] = [
    "SID=abc",
    "a=1; SID=abc; b=2",
    "a=1;SID=abc;b=2;",
    "a=\"1, 2\" ;  SID = \"old\" ;b = 2;",
    "SID=x; SID=y\nSID=z",
    "sid=1; SIDE=2; a=SID=3; SID",
    ";;; SID= ;; ; =",
];
/// Tokens with and without keys, in each layout.
const TOKENS: [&str; 6] = [
    "AgEAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze-ZDJDNBT9mgg",
    "AgcAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze8AAAGLz-WQ2AQAAAAAAAAAAAAA__8KAQIDH5BdyhI5O1_MAA",
    "AgcAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze8AAAGLz-WQ2AYgAQ24AAAAAAAAAAAAAAABAbvzH90LL6dSlQ",
    "AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFwxJjg_56LBB3EFCV3erC31co1wlFLxI-iwnEIFIc_Ez61Zjmzvs8HQ-",
    "AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFwpJjg_56LBB3EFCV3erC31co1wlFLxI-ixB5zQPZ8IaEaiL9gs4__YTsBhzjQeJexiQTS4Z7mEEdPAN0Dj6NNH8-kQc",
    "AgEAAAGLz-Voe-ekR1yt8Z4tASNFZ4mrze8wZjM2YThhNS3_fOkwHHcP2Iw",
];

fn main() -> io::Result<()> {
    let configurations = cases::refused().into_iter().map(|case| case.config).chain(cases::accepted());
    let configurations = configurations.filter(|text| text.len() <= 4096).map(String::into_bytes);
    let structs = |text: Vec<u8>| [as_struct(&text), Some(text)].into_iter().flatten();
    write("configuration", configurations.flat_map(structs))?;
    write("cookie_header", COOKIES.map(Vec::from))?;
    write("set_cookie", SET_COOKIES.iter().flat_map(|lines| [0, 1].map(|kind| with_kind(kind, lines))))?;
    let texts = TOKENS.iter().flat_map(|token| [0, 1, 7].map(|kind| with_kind(kind, token)));
    write("token", texts.chain(bytes()))?;
    for target in ["envelope", "health_table", "streams"] {
        write(target, bytes())?;
    }
    Ok(())
}

fn with_kind(kind: u8, text: &str) -> Vec<u8> {
    [&[kind], text.as_bytes()].concat()
}

/// Inputs of several lengths for a target with typed input.
fn bytes() -> impl Iterator<Item = Vec<u8>> {
    (0..64_u8).map(|seed| {
        let byte =
            |index: u8| index.wrapping_mul(seed | 1).wrapping_add(seed).rotate_left(u32::from(seed % 8));
        (0..(seed % 16 + 1) * 15).map(byte).chain(*b"GCLB=x; SID=abc; Path=/; Max-Age=50").collect()
    })
}

/// Writes the seeds of one target, and keeps the inputs that the fuzzer found.
fn write(target: &str, seeds: impl IntoIterator<Item = Vec<u8>>) -> io::Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&directory)?;
    for (index, seed) in seeds.into_iter().enumerate() {
        fs::write(directory.join(format!("seed-{index:04}")), seed)?;
    }
    Ok(())
}
