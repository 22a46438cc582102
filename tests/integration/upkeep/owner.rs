//! The data folder is its owner's alone.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use super::{files, shamisen, stderr};
use crate::app::{App, few};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn what_a_server_and_its_trainer_write_is_for_no_one_else_to_read() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log");
    // Others may look into the folder: that is told, and left as it is.
    let data = TempDir::new().unwrap();
    std::fs::set_permissions(data.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let app = App::logging(data, &[], std::fs::File::create(&log).unwrap().into());
    let job = app.post_job(few(20), &[("config", r#"{"epochs": 1}"#)]).await.text("id");
    let model = app.finished(&job).await["model"].as_str().unwrap().to_owned();
    let data = app.data.path();
    assert_eq!(mode(data), 0o755);
    assert!(std::fs::read_to_string(log).unwrap().contains("other users of this machine can look into"));
    assert_eq!(mode(&data.join("models").join(&model)), 0o700);
    for place in [data.join("models").join(&model), data.join("datasets")] {
        let files = files(&place);
        assert!(!files.is_empty());
        files.iter().for_each(|file| assert_eq!(mode(file), 0o600, "{}", file.display()));
    }
    assert_eq!(mode(&data.join("shamisen.db-wal")) & 0o077, 0);
}

#[test]
fn a_data_folder_that_a_command_makes_is_its_owners_alone() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let made = shamisen(&["key", "create", "--name", "k", "--scope", "admin"], &data);
    assert!(made.status.success(), "{}", stderr(&made));
    assert_eq!((mode(&data), mode(&data.join("shamisen.db"))), (0o700, 0o600));
    let to = folder.path().join("backup");
    std::fs::create_dir(data.join("models")).unwrap();
    let made = shamisen(&["backup", "--to", to.to_str().unwrap()], &data);
    assert!(made.status.success(), "{}", stderr(&made));
    assert_eq!((mode(&to), mode(&to.join("shamisen.db"))), (0o700, 0o600));
}
