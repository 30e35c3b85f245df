//! A server that answers as a test tells it to: what no real one would do.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub path: String,
    pub headers: BTreeMap<String, String>,
}

/// The server; ended with the value.
pub struct Scripted {
    pub port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Scripted {
    /// Every request is answered on a thread and a connection of its own.
    pub fn start(answer: impl Fn(&Request, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (requests, stop, answer) =
            (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)), Arc::new(answer));
        let (seen, ended) = (requests.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (answer, seen) = (answer.clone(), seen.clone());
                std::thread::spawn(move || {
                    let mut stream = stream?;
                    if let Some(request) = read(&stream)? {
                        seen.lock().unwrap().push(request.clone());
                        answer(&request, &mut stream)?;
                    }
                    std::io::Result::Ok(())
                });
            }
        });
        Self { port, requests, stop, thread: Some(thread) }
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        self.thread.take().unwrap().join().unwrap();
    }
}

fn read(stream: &TcpStream) -> std::io::Result<Option<Request>> {
    // The beginning of TLS has no line, and its end would be waited for.
    let mut first = [0];
    stream.peek(&mut first)?;
    if !first[0].is_ascii_alphabetic() {
        return Ok(None);
    }
    let mut lines = BufReader::new(stream).lines();
    let Some(first) = lines.next().transpose()? else { return Ok(None) };
    let mut headers = BTreeMap::new();
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Ok(Some(Request { path: first.split(' ').nth(1).unwrap_or_default().to_owned(), headers }))
}

/// Status line and headers, with "Connection: close".
pub fn head(stream: &mut TcpStream, status: &str, headers: &[(&str, String)]) -> std::io::Result<()> {
    let mut text = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    headers.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
    stream.write_all(format!("{text}\r\n").as_bytes())
}

/// A whole answer.
pub fn body(stream: &mut TcpStream, media_type: &str, bytes: &[u8]) -> std::io::Result<()> {
    let headers = [("Content-Type", media_type.to_owned()), ("Content-Length", bytes.len().to_string())];
    head(stream, "200 OK", &headers)?;
    stream.write_all(bytes)
}

/// A small image, as the blobs that a registry has of it.
#[derive(Debug, Clone)]
pub struct Image {
    pub manifest: Vec<u8>,
    pub config: Vec<u8>,
    pub layer: Vec<u8>,
}

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

impl Image {
    /// One file, "data", of so many bytes.
    pub fn new(bytes: usize) -> Self {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes as u64);
        header.set_mode(0o644);
        header.set_uid(rustix::process::geteuid().as_raw().into());
        header.set_gid(rustix::process::getegid().as_raw().into());
        header.set_mtime(0);
        // Of many a digit, so that what goes on at the wrong place is not the same.
        let data: Vec<u8> = (0..bytes).map(|at| (at * at / 7) as u8).collect();
        archive.append_data(&mut header, "data", &data[..]).unwrap();
        let layer = archive.into_inner().unwrap();
        let config = format!(
            r#"{{"architecture":"","os":"linux","config":{{"Cmd":["/x"]}},"rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
            digest(&layer)
        );
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{},"layers":[{}]}}"#,
            descriptor(CONFIG, config.as_bytes()),
            descriptor(LAYER, &layer)
        );
        Self { manifest: manifest.into_bytes(), config: config.into_bytes(), layer }
    }

    /// As a registry that does all right.
    pub fn answer(&self, request: &Request, stream: &mut TcpStream) -> std::io::Result<()> {
        match request.path.rsplit('/').next().unwrap_or_default() {
            _ if request.path.contains("/referrers/") => {
                head(stream, "404 Not Found", &[("Content-Length", "0".to_owned())])
            }
            "" => body(stream, "application/json", b"{}"),
            name if name == digest(&self.layer) => body(stream, "application/octet-stream", &self.layer),
            name if name == digest(&self.config) => body(stream, "application/octet-stream", &self.config),
            name if name == "latest" || name == digest(&self.manifest) => body(stream, MANIFEST, &self.manifest),
            _ => head(stream, "404 Not Found", &[("Content-Length", "0".to_owned())]),
        }
    }

    /// Does it ask for the layer?
    pub fn is_layer(&self, request: &Request) -> bool {
        request.path.ends_with(&digest(&self.layer))
    }
}

pub fn digest(bytes: &[u8]) -> String {
    soute::image::oci::digest::Digest::of(bytes).to_string()
}

fn descriptor(media_type: &str, bytes: &[u8]) -> String {
    format!(r#"{{"mediaType":"{media_type}","digest":"{}","size":{}}}"#, digest(bytes), bytes.len())
}
