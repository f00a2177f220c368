//! End-to-end tests live in `tests/it`: the wire driven by boto3, the edge's conformance cases against every runtime,
//! and the page in a browser.
