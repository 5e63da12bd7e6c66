//! HTTPS with certificates from Secrets.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use rcgen::CertifiedKey;
use serde_json::{Value, json};

use super::rendering::{Rendering, options};
use super::table::shop;
use super::traffic::at_any_port;
use crate::manifests::list;
use crate::sessions;

/// Writes a certificate to the mount path of each of the rendering's Secrets, for the name of the Secret.
pub fn write_certificates(directory: &Path, rendering: &Rendering) {
    for secret in list(&rendering.values["tls"]["secrets"]) {
        write_certificate(directory, secret.as_str().unwrap());
    }
}

/// Replaces the certificate of a mounted Secret in one step, as the kubelet does, and returns the new one.
fn write_certificate(directory: &Path, secret: &str) -> String {
    let mount = directory.join("tls").join(secret);
    fs::create_dir_all(&mount).unwrap();
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec![secret.to_owned()]).unwrap();
    let version = tempfile::tempdir_in(&mount).unwrap().keep();
    fs::write(version.join("tls.crt"), cert.pem()).unwrap();
    fs::write(version.join("tls.key"), signing_key.serialize_pem()).unwrap();
    let link = |target: &Path, name: &str| {
        let new = mount.join(format!("{name}.new"));
        std::os::unix::fs::symlink(target, &new).unwrap();
        fs::rename(new, mount.join(name)).unwrap();
    };
    for file in ["tls.crt", "tls.key"] {
        if !mount.join(file).exists() {
            link(&Path::new("..data").join(file), file);
        }
    }
    link(&version, "..data");
    cert.pem()
}

/// The headers of an HTTPS response, as lines. The client trusts only this certificate and requests this name.
fn fetch(address: SocketAddr, name: &str, certificate: &str) -> Result<String, String> {
    const CLIENT: &str = "
import http.client, socket, ssl, sys
address, port, name, certificate = sys.argv[1:]
context = ssl.create_default_context(cadata=certificate)
connection = http.client.HTTPSConnection(name, context=context)
connection.sock = context.wrap_socket(socket.create_connection((address, int(port))), server_hostname=name)
connection.request('GET', '/')
response = connection.getresponse()
print(response.status)
print(response.headers)
";
    let output = Command::new("python3")
        .args(["-c", CLIENT, &address.ip().to_string(), &address.port().to_string(), name, certificate])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[tokio::test]
async fn the_name_that_a_client_asks_for_chooses_the_certificate_and_a_renewed_one_needs_no_restart() {
    let names = ["shop.example.com", "api.example.com"];
    let rendering = Rendering::new("tls", shop(&json!({ "tls": { "secrets": names } })));
    let directory = tempfile::tempdir().unwrap();
    let certificates = names.map(|name| write_certificate(directory.path(), name));
    let files = rendering.envoy_files(directory.path());
    let mut bootstrap: Value = serde_saphyr::from_str(&fs::read_to_string(&files[0]).unwrap()).unwrap();
    let pods = sessions::pods(1);
    at_any_port(&mut bootstrap);
    bootstrap["static_resources"]["clusters"][0] = harness::config::cluster("shop", &[pods[0].address()]);
    let envoy = options().start(&bootstrap).await.unwrap();
    let https = envoy.address("ingress-https").unwrap();

    for (name, certificate) in names.iter().zip(&certificates) {
        let reply = fetch(https, name, certificate).unwrap();
        assert!(reply.starts_with("200\n") && reply.contains("; Secure"), "{reply}");
        let other = certificates.iter().find(|other| *other != certificate).unwrap();
        assert!(fetch(https, name, other).unwrap_err().contains("CERTIFICATE_VERIFY_FAILED"));
    }

    let renewed = write_certificate(directory.path(), names[0]);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while fetch(https, names[0], &renewed).is_err() {
        assert!(std::time::Instant::now() < deadline, "the renewed certificate is not used");
    }
}

#[tokio::test]
async fn with_https_a_request_over_http_is_sent_there() {
    let rendering = Rendering::new("redirect", shop(&json!({ "tls": { "secrets": ["shop-tls"] } })));
    let directory = tempfile::tempdir().unwrap();
    write_certificates(directory.path(), &rendering);
    let files = rendering.envoy_files(directory.path());
    let mut bootstrap: Value = serde_saphyr::from_str(&fs::read_to_string(&files[0]).unwrap()).unwrap();
    at_any_port(&mut bootstrap);
    let envoy = options().start(&bootstrap).await.unwrap();
    let http = envoy.address("ingress").unwrap();
    let client = harness::client::Client::http1();
    let headers: [(&str, &[u8]); 1] = [("host", b"shop.example.com")];
    let reply = client.fetch(&format!("http://{http}/cart?id=7"), &headers).await.unwrap();
    assert_eq!(reply.status, 301);
    assert_eq!(reply.header("location").as_deref(), Some("https://shop.example.com/cart?id=7"));
}
