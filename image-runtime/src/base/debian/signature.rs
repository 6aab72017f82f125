//! The signature of an `InRelease` file.

use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey, SignedPublicSubKey};
use pgp::packet::{Signature, SignatureType};

/// Answers the text that one of the keys signed: nothing else of the file may be used.
///
/// A key's expiry is not looked at: a suite that is no longer renewed stays signed by keys that expire. Whether a file is
/// fresh enough is said by its `Valid-Until`.
///
/// # Errors
/// Why the file is not to be trusted.
pub(super) fn verified_text(file: &[u8], keys: &[&[u8]]) -> Result<String, String> {
    let file = std::str::from_utf8(file).map_err(|_| "it is not UTF-8".to_owned())?;
    let (message, _) = CleartextSignedMessage::from_string(file)
        .map_err(|error| format!("it is no signed text ({error})"))?;
    let text = message.signed_text();
    let keys = keys
        .iter()
        .map(|key| SignedPublicKey::from_bytes(*key))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("a key cannot be read ({error})"))?;
    let mut issued = false;
    for signature in message.signatures() {
        for key in &keys {
            match check(signature, key, &text) {
                // What is signed has the line ends of the network.
                Check::Good => return Ok(text.replace("\r\n", "\n")),
                Check::Bad => issued = true,
                Check::Foreign => {}
            }
        }
    }
    Err(if issued {
        "the text is not the one that was signed".to_owned()
    } else {
        "none of its signatures is by a key that this suite trusts".to_owned()
    })
}

enum Check {
    Good,
    Bad,
    Foreign,
}

fn check(signature: &Signature, key: &SignedPublicKey, text: &str) -> Check {
    // Other kinds of signature do not cover the text.
    if !matches!(
        signature.typ(),
        Some(SignatureType::Text | SignatureType::Binary)
    ) {
        return Check::Foreign;
    }
    if signature.verify(&key.primary_key, text.as_bytes()).is_ok() {
        return Check::Good;
    }
    let mut names_key = names(signature, key);
    for subkey in &key.public_subkeys {
        if may_sign(subkey) && signature.verify(&subkey.key, text.as_bytes()).is_ok() {
            return if subkey.verify_bindings(&key.primary_key).is_ok() {
                Check::Good
            } else {
                Check::Bad
            };
        }
        names_key |= names(signature, &subkey.key);
    }
    if names_key {
        Check::Bad
    } else {
        Check::Foreign
    }
}

fn may_sign(subkey: &SignedPublicSubKey) -> bool {
    subkey
        .signatures
        .iter()
        .any(|binding| binding.key_flags().sign())
}

fn names(signature: &Signature, key: &impl pgp::types::KeyDetails) -> bool {
    signature.issuer_key_id().contains(&&key.legacy_key_id())
        || signature.issuer_fingerprint().contains(&&key.fingerprint())
}
