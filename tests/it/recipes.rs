//! The recipes of deploy/verify, as real services, against `attest`.

use crate::support::{Gateway, Process, Upstream, eventually};
use serde_json::Value;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

fn repo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The kinds that `attest` finds in the service that this command starts.
fn found(gateway: &Gateway, command: &mut Command) -> Vec<String> {
    command.env("JWKS_URL", gateway.jwks_url()).env("AUDIENCE", "orders").env("PORT", "0");
    let service = Process::start(command);
    let port = service.out.wait_for("its port", |text| {
        let (_, rest) = text.split_once("listening on ")?;
        rest.split_once('\n').map(|(port, _)| port.to_owned())
    });
    let port = port.unwrap_or_else(|| panic!("{}", service.err.text()));
    attested(gateway, &port)
}

/// The kinds that `attest` finds at a port.
fn attested(gateway: &Gateway, port: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_cloakroom"))
        .arg("attest")
        .arg(format!("http://127.0.0.1:{port}/orders"))
        .args(["--audience", "orders", "--json", "--config"])
        .arg(gateway.dir().join("gateway.toml"))
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let tried = report["tried"].as_array().unwrap().iter();
    let flawed = tried.filter(|one| !one["flaw"].is_null());
    flawed.map(|one| format!("{} {}", one["kind"], one["outcome"])).collect()
}

fn gateway() -> Gateway {
    Gateway::start(
        "[server]\nlisten = [\"127.0.0.1:0\"]\nworkers = 1\n[internal]\nlisten = \"127.0.0.1:0\"\n",
        &[],
    )
}

/// A proxy's recipe, with the addresses of this test: its own is a socket in a directory, since no program tells a free port.
fn at_home(gateway: &Gateway, service: &Upstream, recipe: &str, listens: [&str; 2]) -> String {
    let [theirs, ours] = listens;
    let text = std::fs::read_to_string(repo(recipe)).unwrap();
    let internal = gateway.jwks_url();
    let internal = internal.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap();
    let port = |address: &str| address.rsplit(':').next().unwrap().to_owned();
    assert!(text.contains(theirs), "{text}");
    text.replace(theirs, ours)
        .replace("3001", &port(&service.address().to_string()))
        .replace("9900", &port(internal))
        .replace("modules/", "/usr/lib/nginx/modules/")
        .replace("/var/lib/nginx/", "")
}

/// The kinds that `attest` finds behind the proxy that this command starts at a socket.
fn found_behind(gateway: &Gateway, command: &mut Command, socket: &Path) -> Vec<String> {
    let proxy = Process::start(command);
    eventually(&format!("{}: {}", socket.display(), proxy.err.text()), || UnixStream::connect(socket).ok());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let socket = socket.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let onward = UnixStream::connect(&socket).unwrap();
            let (from, to) = (stream.try_clone().unwrap(), onward.try_clone().unwrap());
            std::thread::spawn(move || forward(from, to));
            std::thread::spawn(move || forward_back(onward, stream));
        }
    });
    attested(gateway, &address.port().to_string())
}

fn forward(mut from: TcpStream, mut to: UnixStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Write);
}

fn forward_back(mut from: UnixStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Write);
}

fn python() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../venv/bin/python")
}

#[test]
fn nothing_is_found_in_the_recipe_for_axum() {
    let gateway = gateway();
    let axum = PathBuf::from(env!("CARGO_BIN_EXE_cloakroom")).with_file_name("examples").join("verify");
    assert_eq!(found(&gateway, &mut Command::new(axum)), Vec::<String>::new());
}

/// With Debian's golang-jwt, which is version 4 and knows no modules.
#[test]
fn nothing_is_found_in_the_recipe_for_go() {
    let gateway = gateway();
    let recipe = std::fs::read_to_string(repo("deploy/verify/go.go")).unwrap();
    let (file, built) = (gateway.dir().join("go.go"), gateway.dir().join("service"));
    std::fs::write(&file, recipe.replace("golang-jwt/jwt/v5", "golang-jwt/jwt")).unwrap();
    let mut go = Command::new("go");
    go.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").env("GOFLAGS", "");
    let made = go.arg("build").arg("-o").arg(&built).arg(file).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(found(&gateway, &mut Command::new(built)), Vec::<String>::new());
}

#[test]
fn nothing_is_found_in_the_recipe_for_plain_java() {
    let gateway = gateway();
    let jars = ["core", "databind", "annotations"].map(|name| format!("/usr/share/java/jackson-{name}.jar"));
    let mut java = Command::new("java");
    java.arg("-cp").arg(jars.join(":")).arg(repo("deploy/verify/Service.java"));
    assert_eq!(found(&gateway, &mut java), Vec::<String>::new());
}

#[test]
fn nothing_is_found_behind_the_recipe_for_nginx() {
    let (gateway, service) = (gateway(), Upstream::echoing());
    let socket = gateway.dir().join("nginx.sock");
    let listens = ["127.0.0.1:8081", &format!("unix:{}", socket.display())];
    let text = at_home(&gateway, &service, "deploy/verify/nginx.conf", listens);
    std::fs::write(gateway.dir().join("nginx.conf"), text).unwrap();
    std::fs::copy(repo("deploy/verify/nginx.js"), gateway.dir().join("nginx.js")).unwrap();
    let mut nginx = Command::new("nginx");
    nginx.arg("-p").arg(gateway.dir()).args([
        "-c",
        "nginx.conf",
        "-e",
        "stderr",
        "-g",
        "pid nginx.pid; user root; master_process off;",
    ]);
    assert_eq!(found_behind(&gateway, &mut nginx, &socket), Vec::<String>::new());
}

#[test]
fn nothing_is_found_behind_the_recipe_for_envoy() {
    let (gateway, service) = (gateway(), Upstream::echoing());
    let socket = gateway.dir().join("envoy.sock");
    let pipe = format!("address: {{ pipe: {{ path: {} }} }}", socket.display());
    let listens = ["address: { socket_address: { address: 127.0.0.1, port_value: 8081 } }", &pipe];
    let text = at_home(&gateway, &service, "deploy/verify/envoy.yaml", listens);
    let config = gateway.dir().join("envoy.yaml");
    std::fs::write(&config, text).unwrap();
    let mut envoy = Command::new(python().with_file_name("envoy"));
    envoy.arg("-c").arg(config).args(["--use-dynamic-base-id", "--concurrency", "1", "-l", "warn"]);
    assert_eq!(found_behind(&gateway, &mut envoy, &socket), Vec::<String>::new());
}

/// No recipe: another library that reads what we sign.
#[test]
fn nothing_is_found_in_a_service_with_authlib() {
    let gateway = gateway();
    let mut service = Command::new(python());
    assert_eq!(found(&gateway, service.arg(repo("tests/python/authlib_service.py"))), Vec::<String>::new());
}

#[test]
fn nothing_is_found_in_the_recipe_for_node() {
    let gateway = gateway();
    // Modules are looked for beside the file.
    let recipe = gateway.dir().join("node.mjs");
    std::fs::copy(repo("deploy/verify/node.mjs"), &recipe).unwrap();
    std::os::unix::fs::symlink(repo("tests/node/node_modules"), gateway.dir().join("node_modules")).unwrap();
    assert_eq!(found(&gateway, Command::new("node").arg(recipe)), Vec::<String>::new());
}

#[test]
fn nothing_is_found_in_the_recipe_for_python() {
    let gateway = gateway();
    assert_eq!(
        found(&gateway, Command::new(python()).arg(repo("deploy/verify/python.py"))),
        Vec::<String>::new()
    );
}
