use super::*;

#[test]
fn the_configuration_is_one_that_the_gateway_takes() {
    let directory = Directory::make().unwrap();
    let toml = Sites::bind().unwrap().fill_in(0);
    assert!(!toml.contains("127.0.0.1:{") && !toml.contains("http://{"));
    let (url, secret) = (Secret::new(b"memory:".to_vec()), Secret::new(b"a secret".to_vec()));
    configure(&toml, &directory, &url, &secret).unwrap();
}

#[test]
fn the_directory_is_gone_with_the_demo() {
    let directory = Directory::make().unwrap();
    let path = directory.path().to_owned();
    assert!(path.is_dir());
    drop(directory);
    assert!(!path.exists());
}
