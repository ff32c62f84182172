-- The receipt store as it was before requests went through the contract.
CREATE TABLE IF NOT EXISTS attestations (
  id INTEGER PRIMARY KEY, boot_id BLOB NOT NULL, public_key BLOB NOT NULL, document_sha256 BLOB NOT NULL,
  document BLOB NOT NULL, nonce BLOB NOT NULL, anchor TEXT NOT NULL, verified_at_ms INTEGER NOT NULL,
  UNIQUE (boot_id, public_key));
CREATE TABLE IF NOT EXISTS receipts (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kept_at_ms INTEGER NOT NULL, boot_id BLOB NOT NULL, sequence INTEGER NOT NULL,
  intent INTEGER NOT NULL, timestamp_ms INTEGER NOT NULL, method TEXT NOT NULL, target TEXT NOT NULL,
  status INTEGER NOT NULL, request_digest BLOB NOT NULL, body_digest BLOB NOT NULL, body_length INTEGER NOT NULL,
  frame INTEGER, leaf BLOB NOT NULL, message BLOB NOT NULL, binding BLOB NOT NULL, public_key BLOB NOT NULL, body BLOB,
  UNIQUE (boot_id, sequence));
CREATE TABLE IF NOT EXISTS evidence (
  id INTEGER PRIMARY KEY AUTOINCREMENT, noted_at_ms INTEGER NOT NULL, kind TEXT NOT NULL, boot_id BLOB NOT NULL,
  sequence INTEGER NOT NULL, public_key BLOB NOT NULL, first BLOB NOT NULL, second BLOB NOT NULL, binding BLOB NOT NULL,
  UNIQUE (kind, first, second));
PRAGMA user_version=1;
