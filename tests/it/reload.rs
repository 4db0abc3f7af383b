//! A configuration that changes under a gateway that runs.

use crate::support::{Ask, Authority, Client, Gateway, Over, Upstream, World, answer_with, eventually};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const OPEN: &str = "access = \"open\"";

fn world(upstream: &Upstream, path: &str) -> World {
    World::new().recorded("app", upstream).route(&format!("path = \"{path}\"\nupstream = \"app\"\n{OPEN}"))
}

fn file(gateway: &Gateway) -> std::path::PathBuf {
    gateway.dir().join("gateway.toml")
}

/// Changes the configuration by what an editor does: another file takes its place.
fn edit(path: &Path, change: impl FnOnce(String) -> String) {
    let text = change(std::fs::read_to_string(path).unwrap());
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, path).unwrap();
}

fn said(gateway: &Gateway, what: &str) -> usize {
    gateway.process.err.text().matches(what).count()
}

#[allow(clippy::disallowed_methods, reason = "a developer's switch, not configuration")]
fn times(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

const DONE: &str = "the configuration was reloaded";
const REFUSED: &str = "the configuration was not reloaded";

/// Asks for it by signal, and waits until it was done or refused.
fn reload(gateway: &Gateway) {
    let before = said(gateway, DONE) + said(gateway, REFUSED);
    gateway.process.signal("HUP");
    eventually("a reload", || (said(gateway, DONE) + said(gateway, REFUSED) > before).then_some(()));
}

#[test]
fn a_file_with_a_mistake_changes_nothing_and_is_told_once() {
    let upstream = Upstream::echoing();
    let world = world(&upstream, "/old").start();
    edit(&file(&world.gateway), |text| text.replace("\"/old\"", "\"/new\"") + "\nnonsense = 1\n");
    reload(&world.gateway);
    assert_eq!((said(&world.gateway, DONE), said(&world.gateway, REFUSED)), (0, 1));
    let told = world.gateway.process.err.text();
    let line = told.lines().find(|line| line.contains(REFUSED)).unwrap();
    assert!(line.contains("gateway.toml:") && line.contains("unknown key"), "{line}");
    assert_eq!(world.get("/old").status, 200);
    assert_eq!(world.get("/new").status, 404);
}

/// `open(path, "w")` empties a file before it is written: two seconds later every request got a 404.
#[test]
fn a_file_that_lost_its_routes_changes_nothing() {
    let upstream = Upstream::echoing();
    let world = world(&upstream, "/old").start();
    let path = file(&world.gateway);
    let whole = std::fs::read_to_string(&path).unwrap();
    for (count, part) in ["", &whole[..whole.find("[[routes]]").unwrap()]].into_iter().enumerate() {
        std::fs::write(&path, part).unwrap();
        eventually("the refusal", || (said(&world.gateway, REFUSED) == count + 1).then_some(()));
        assert_eq!(world.get("/old").status, 200);
    }
    let told = world.gateway.process.err.text();
    assert!(told.lines().any(|line| line.contains(REFUSED) && line.contains("no route")), "{told}");
    std::fs::write(&path, whole.replace("\"/old\"", "\"/new\"")).unwrap();
    eventually("the whole file", || (world.get("/new").status == 200).then_some(()));
    assert_eq!(said(&world.gateway, REFUSED), 2);
}

#[test]
fn a_signal_puts_the_new_routes_in_force_on_connections_that_are_open() {
    let upstream = Upstream::echoing();
    let world = world(&upstream, "/old").start();
    let mut client = Client::connect(world.gateway.public);
    assert_eq!(client.ask(&Ask::get("/old")).status, 200);
    edit(&file(&world.gateway), |text| text.replace("\"/old\"", "\"/new\""));
    reload(&world.gateway);
    eventually("the new route", || (client.ask(&Ask::get("/new")).status == 200).then_some(()));
    assert_eq!(client.ask(&Ask::get("/old")).status, 404);
    assert_eq!(world.gateway.internal("/ready").status, 200);
}

#[test]
fn a_file_that_changes_is_noticed_and_so_is_one_that_joins() {
    let upstream = Upstream::echoing();
    let world = World::new().recorded("app", &upstream);
    let mut gateway = world.start();
    let gateway = &mut gateway.gateway;
    std::fs::create_dir(gateway.dir().join("routes.d")).unwrap();
    edit(&file(gateway), |text| format!("include = [\"routes.d/*.toml\"]\n{text}"));
    eventually("the first change", || (said(gateway, DONE) == 1).then_some(()));
    let route = format!("[[routes]]\npath = \"/x\"\nupstream = \"app\"\n{OPEN}\n");
    std::fs::write(gateway.dir().join("routes.d/one.toml"), route).unwrap();
    eventually("the route of the file that joined", || {
        (Ask::get("/x").at(gateway.public).status == 200).then_some(())
    });
}

/// What is known under settings that stay the same goes on: no store is asked again, and no upstream connected to.
#[test]
fn a_reload_is_no_thundering_herd() {
    let connections = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&connections);
    let upstream = Upstream::playing(move |wire| {
        counted.fetch_add(1, Ordering::SeqCst);
        while let Some(request) = wire.request() {
            wire.say(answer_with(&request, b"{}"));
        }
    });
    let mut world = World::with_sessions(&[("live", "alice")])
        .store("timeout = \"5s\"\nrevocation_bound = \"60s\"")
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"")
        .start();
    let ask = Ask::get("/x").cookie("sid=live");
    let known = |world: &crate::support::Running| {
        let page = world.gateway.internal("/metrics").text();
        page.lines()
            .filter(|line| line.contains("cache_lookups") && line.contains("hit"))
            .map(String::from)
            .next()
    };
    eventually("an answer from memory", || {
        assert_eq!(world.ask(&ask).status, 200);
        known(&world).is_some_and(|line| !line.ends_with(" 0")).then_some(())
    });
    let (reads, clients) = (world.redis().calls("get"), world.redis().calls("hello"));
    let connected = connections.load(Ordering::SeqCst);
    for at in 0..3 {
        let route = format!("\n[[routes]]\npath = \"/other-{at}\"\nupstream = \"app\"\n{OPEN}\n");
        edit(&file(&world.gateway), |text| text + &route);
        reload(&world.gateway);
        let other = format!("/other-{at}");
        eventually("the new route", || (world.get(&other).status == 200).then_some(()));
        assert_eq!(world.ask(&ask).status, 200);
    }
    assert_eq!((world.redis().calls("get"), world.redis().calls("hello")), (reads, clients));
    assert_eq!(connections.load(Ordering::SeqCst), connected);
    let page = world.gateway.internal("/metrics").text();
    assert!(page.contains("cloakroom_reloads_total{outcome=\"done\"} 3"), "{page}");
}

#[test]
fn who_asked_too_often_is_still_held_off_after_a_reload() {
    let upstream = Upstream::echoing();
    let route = format!("path = \"/x\"\nupstream = \"app\"\n{OPEN}\nrate = \"1/h\"");
    let world = World::new().recorded("app", &upstream).route(&route).start();
    assert_eq!(world.get("/x").status, 200);
    assert_eq!(world.get("/x").status, 429);
    let route = format!("[[routes]]\npath = \"/before\"\nupstream = \"app\"\n{OPEN}\n");
    edit(&file(&world.gateway), |text| text.replacen("[[routes]]", &format!("{route}[[routes]]"), 1));
    reload(&world.gateway);
    eventually("the new route", || (world.get("/before").status == 200).then_some(()));
    assert_eq!(world.get("/x").status, 429);
}

/// A session that ended before a profile changed stays ended, though all of the memory was made anew.
#[test]
fn a_store_whose_settings_changed_is_read_anew() {
    let upstream = Upstream::echoing();
    let mut world = World::with_sessions(&[("live", "alice")])
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"")
        .start();
    let ask = Ask::get("/x").cookie("sid=live");
    assert_eq!(world.ask(&ask).status, 200);
    let before = world.redis().calls("hello");
    edit(&file(&world.gateway), |text| {
        text.replacen("[stores.app]", "[stores.app]\nvalue_bytes = \"99KiB\"", 1)
    });
    reload(&world.gateway);
    eventually("new connections", || {
        assert_eq!(world.ask(&ask).status, 200);
        (world.redis().calls("hello") > before).then_some(())
    });
    assert_eq!(world.gateway.internal("/ready").status, 200);
}

/// What runs when the configuration changes is finished as it began.
#[test]
fn a_request_that_runs_keeps_the_configuration_that_it_began_with() {
    let (begun, go) = (AtomicBool::new(false), std::sync::Mutex::new(()));
    let (begun, go) = (std::sync::Arc::new(begun), std::sync::Arc::new(go));
    let held = go.lock().unwrap();
    let upstream = {
        let (begun, go) = (begun.clone(), go.clone());
        Upstream::playing(move |wire| {
            while wire.request().is_some() {
                // Others may come before the new configuration is in force; they are not the one that runs.
                if !begun.swap(true, Ordering::SeqCst) {
                    drop(go.lock().unwrap());
                }
                wire.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
            }
        })
    };
    let world = world(&upstream, "/old").start();
    let mut client = Client::connect(world.gateway.public);
    client.send(Ask::get("/old").bytes());
    eventually("the request", || begun.load(Ordering::SeqCst).then_some(()));
    edit(&file(&world.gateway), |text| text.replace("\"/old\"", "\"/new\""));
    reload(&world.gateway);
    eventually("the new configuration", || (world.get("/old").status == 404).then_some(()));
    drop(held);
    assert_eq!(client.response("GET").unwrap().text(), "done");
    assert_eq!(client.ask(&Ask::get("/old")).status, 404);
}

#[test]
fn what_takes_a_restart_is_named_and_the_rest_is_in_force() {
    let upstream = Upstream::echoing();
    let world = world(&upstream, "/old").start();
    edit(&file(&world.gateway), |text| {
        text.replace("workers = 1", "workers = 2").replace("\"/old\"", "\"/new\"")
    });
    reload(&world.gateway);
    eventually("the new route", || (world.get("/new").status == 200).then_some(()));
    let line = eventually("a word on the rest", || {
        let told = world.gateway.process.err.text();
        told.lines().find(|line| line.contains("takes a restart")).map(str::to_owned)
    });
    assert!(line.contains("server.workers"), "{line}");
}

#[test]
fn a_renewed_certificate_is_shown_without_a_connection_dropped() {
    let (authority, upstream) = (Authority::new(), Upstream::echoing());
    let first = authority.issue("a", &["a.test"]);
    let world = world(&upstream, "/x").table(&authority.entry("a")).start();
    let shown = || {
        let mut client = Client::secure(world.gateway.public, "a.test", &authority.client());
        assert_eq!(client.ask(&Ask::get("/x")).status, 200);
        client.certificate().unwrap()
    };
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec();
    let mut stays = Client::secure(world.gateway.public, "a.test", &authority.client());
    assert_eq!(stays.ask(&Ask::get("/x")).status, 200);
    assert_eq!(shown(), der(&first));
    let second = authority.issue("a", &["a.test"]);
    eventually("the new certificate", || (shown() == der(&second)).then_some(()));
    assert_eq!(stays.ask(&Ask::get("/x")).status, 200);
}

/// Volumes of Kubernetes change all files of a folder at once, by moving a link.
#[test]
fn a_folder_that_is_swapped_behind_a_link_is_noticed() {
    let (authority, upstream) = (Authority::new(), Upstream::echoing());
    let dir = tempfile::TempDir::new().unwrap();
    let fill = |name: &str| {
        let pem = authority.issue("a", &["a.test"]);
        std::fs::create_dir(dir.path().join(name)).unwrap();
        for (end, to) in [("pem", "tls.crt"), ("key", "tls.key")] {
            std::fs::copy(authority.path("a", end), dir.path().join(name).join(to)).unwrap();
        }
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
    };
    fill("one");
    std::os::unix::fs::symlink("one", dir.path().join("now")).unwrap();
    let folder = dir.path().join("now").display().to_string();
    let entry = format!("[[server.certificates]]\ncert = \"{folder}/tls.crt\"\nkey = \"{folder}/tls.key\"");
    let world = world(&upstream, "/x").table(&entry).start();
    let second = fill("two");
    std::os::unix::fs::symlink("two", dir.path().join("next")).unwrap();
    std::fs::rename(dir.path().join("next"), dir.path().join("now")).unwrap();
    eventually("the new certificate", || {
        let mut client = Client::secure(world.gateway.public, "a.test", &authority.client());
        assert_eq!(client.ask(&Ask::get("/x")).status, 200);
        (client.certificate().unwrap() == second).then_some(())
    });
}

/// `CLOAKROOM_RELOADS` says how many; each is waited for, so that none is left out.
#[test]
fn no_request_fails_while_the_configuration_is_reloaded_again_and_again() {
    let reloads = times("CLOAKROOM_RELOADS", 50);
    let (authority, upstream) = (Authority::new(), Upstream::echoing());
    authority.issue("a", &["a.test"]);
    let world = World::with_sessions(&[("live", "alice")])
        .workers(2)
        .recorded("app", &upstream)
        .route("path = \"/*\"\nupstream = \"app\"")
        .route("path = \"/other-0\"\nupstream = \"app\"")
        .table(&authority.entry("a"))
        .start();
    let (done, asked, failed) =
        (AtomicBool::new(false), AtomicUsize::new(0), std::sync::Mutex::new(Vec::new()));
    let public = world.gateway.public;
    std::thread::scope(|scope| {
        for lane in 0..4 {
            let (authority, done, asked, failed) = (&authority, &done, &asked, &failed);
            scope.spawn(move || {
                let connect = || Client::secure(public, "a.test", &authority.client());
                let mut client = connect();
                while !done.load(Ordering::SeqCst) {
                    let response = client.ask(&Ask::get("/x").cookie("sid=live"));
                    asked.fetch_add(1, Ordering::SeqCst);
                    if response.status != 200 || response.echoed("authorization").is_none() {
                        failed.lock().unwrap().push(format!("{} {}", response.status, response.text()));
                    }
                    // Half of the lanes greet anew each time, the others never.
                    if lane % 2 == 0 {
                        client = connect();
                    }
                }
            });
        }
        let _over = Over(&done);
        for at in 0..reloads {
            edit(&file(&world.gateway), |text| {
                text.replace(&format!("/other-{at}\""), &format!("/other-{}\"", at + 1))
            });
            if at % 10 == 0 {
                authority.issue("a", &["a.test"]);
            }
            reload(&world.gateway);
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {}: {:?}", failed.len(), asked.load(Ordering::SeqCst), failed.first());
    assert!(said(&world.gateway, DONE) >= reloads, "{}", world.gateway.process.err.text());
    println!("{} requests over {reloads} reloads", asked.load(Ordering::SeqCst));
}
