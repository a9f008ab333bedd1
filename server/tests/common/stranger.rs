//! A client of the protocol without a book.

use ed25519_dalek::{Signer as _, SigningKey};
use roadbook_core::sync::wire::{self, HelloRequest, HelloResponse, JoinRequest, TokenRequest};

use super::Server;

pub fn hello(server: &Server) -> HelloResponse {
    let hello = HelloRequest { protocol_min: 1, protocol_max: 1, app_version: "0".into() };
    wire::decode(&server.post("/v1/hello", None, &wire::encode(&hello).unwrap()).body).unwrap()
}

/// A client without a book.
pub struct Stranger(pub SigningKey);

impl Stranger {
    pub fn join(&self, server: &Server, hello: &HelloResponse, code: &str) -> roadbook_core::sync::Response {
        server.post("/v1/join", None, &self.join_request(hello, code))
    }

    pub fn join_request(&self, hello: &HelloResponse, code: &str) -> Vec<u8> {
        let challenge = wire::join_challenge(&hello.server_id, &hello.nonce, code);
        let join = JoinRequest {
            code: code.into(),
            public_key: self.0.verifying_key().to_bytes().to_vec(),
            device_name: "Tablet".into(),
            nonce: hello.nonce.clone(),
            signature: self.0.sign(&challenge).to_bytes().to_vec(),
        };
        wire::encode(&join).unwrap()
    }

    pub fn token(&self, server: &Server, hello: &HelloResponse, device: &[u8]) -> roadbook_core::sync::Response {
        let challenge = wire::token_challenge(&hello.server_id, &hello.nonce, device);
        let signature = self.0.sign(&challenge).to_bytes().to_vec();
        let request = TokenRequest { device: device.to_vec(), nonce: hello.nonce.clone(), signature };
        server.post("/v1/token", None, &wire::encode(&request).unwrap())
    }
}

pub fn bearer(token: &[u8]) -> String {
    format!("Bearer {}", data_encoding::BASE64URL_NOPAD.encode(token))
}
