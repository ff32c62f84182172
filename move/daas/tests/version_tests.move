/// Promises of `daas::version`.
#[test_only]
module daas::version_tests;

use daas::version;

#[test]
fun the_first_package_follows_version_one() {
    assert!(version::current() == 1);
}

#[test]
fun an_object_of_the_current_version_is_touched() {
    version::check(version::current());
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun code_cannot_touch_an_object_of_an_older_version() {
    version::check(version::current() - 1);
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun code_cannot_touch_an_object_of_a_newer_version() {
    version::check(version::current() + 1);
}

#[test]
fun migration_brings_an_older_object_to_the_current_version() {
    assert!(version::migrated(0) == version::current());
    assert!(version::migrated(version::current() - 1) == version::current());
}

#[test, expected_failure(abort_code = version::ENothingToMigrate)]
fun an_object_is_migrated_once() {
    version::migrated(version::current());
}

#[test, expected_failure(abort_code = version::ENothingToMigrate)]
fun migration_never_leads_back() {
    version::migrated(version::current() + 1);
}
