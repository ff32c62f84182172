//! Reads documents from standard input, says what Sui's code makes of each on standard output.
//!
//! In: length (u32, big endian), clock in ms since 1970 (u64, big endian), that many bytes; again until the end.
//! Out, one line a document: `parse`, `verify` or `accept` (where it ended), then, tab-separated, the parsed value
//! (module id, timestamp, PCRs, public key, user data, nonce in hex; `-` for none) and the error.

use fastcrypto::nitro_attestation::{parse_nitro_attestation, verify_nitro_attestation, AttestationDocument};
use std::io::{self, BufWriter, Read, Write};
use std::panic::catch_unwind;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn optional(bytes: &Option<Vec<u8>>) -> String {
    bytes.as_ref().map_or("-".to_string(), |bytes| format!("x{}", hex(bytes)))
}

fn value(document: &AttestationDocument) -> String {
    let pcrs: Vec<String> = document.pcr_map.iter().map(|(index, value)| format!("{index}={}", hex(value))).collect();
    format!(
        "{} {} {} {} {} {}",
        hex(document.module_id.as_bytes()),
        document.timestamp,
        pcrs.join(","),
        optional(&document.public_key),
        optional(&document.user_data),
        optional(&document.nonce)
    )
}

fn judge(data: &[u8], now_ms: u64) -> String {
    match parse_nitro_attestation(data, true, true, true) {
        Err(error) => format!("parse\t\t{error}"),
        Ok((signature, message, document)) => match verify_nitro_attestation(&signature, &message, &document, now_ms) {
            Err(error) => format!("verify\t{}\t{error}", value(&document)),
            Ok(()) => format!("accept\t{}\t", value(&document)),
        },
    }
}

fn main() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), BufWriter::new(io::stdout().lock()));
    let mut head = [0u8; 12];
    while let Ok(()) = input.read_exact(&mut head) {
        let length = u32::from_be_bytes(head[..4].try_into().unwrap()) as usize;
        let now_ms = u64::from_be_bytes(head[4..].try_into().unwrap());
        let mut data = vec![0u8; length];
        input.read_exact(&mut data)?;
        let line = catch_unwind(|| judge(&data, now_ms)).unwrap_or_else(|_| "panic\t\t".to_string());
        writeln!(output, "{}", line.replace('\n', " "))?;
    }
    output.flush()
}
