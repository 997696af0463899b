"""A tenant file and a mapping file that use every key, and what no message to a person may say."""

import re

TENANT = """\
tenant: riverside
library: Riverside College Library
mapping: folio/people
schedule: "30 4 * * *"
timezone: Europe/Dublin
source:
  type: sftp
  connection: riverside_sftp
  path: out/people_{date:%Y%m%d}.csv
  delimiter: ";"
  encoding: cp1252
  quote: double
  sheet: Patrons
  skip_lines: 1
  trailer: "TRAILER;*;{rows}"
  rename: {Staff No: ID}
  widths: {ID: 8, LOGIN: 20}
  digits: {ID: 8}
  member: "people*.csv"
  files: ["out/staff_{date:%Y%m%d}.csv"]
  same_person: first
  pgp: riverside_pgp
  missing_columns: keep
  contains: everyone
  expected_by: "06:00"
  look_again_seconds: 120
  quiet_seconds: 2
  most: {bytes: 1000, rows: 10, columns: 20, cells: 200, cell: 30, zip_entries: 1}
target:
  type: folio
  connection: riverside_folio
  folio_tenant: fs1
  source_type: riverside
  chunk_size: 100
  chunk_bytes: 500000
  member_of: fs0
  unknown_values: stop
  dropped_values: stop
  blank_cells: erase
  send: all
  staff: {expirationDate: load}
  same_email: ignore
  match: {users_without_id: [barcode, username], identities: identities/riverside.csv}
  protected: {custom_field: protectedFields, tags: {keep: all, own-email: [personal.email]}}
  create: [departments, options]
expect:
  warn:
    - expect_column_values_to_not_be_null: {column: EMAIL}
limits:
  min_rows: 10
  max_rejects: 2.5%
  min_bytes: 1000
  same_file: stop
  older_file: warn
  changed_columns: warn
  known_ids: 60%
  row_change: 20%
  group_change: 10%
  reject_change: 1.5%
  becoming_inactive: 3%
  created: 500
  changed: 30%
  changed_fields: {barcode: 2%}
rejects:
  to: outgoing/rejects/
leavers:
  action: deactivate
  after: 14 days
  missing_loads: 5
  max: 40
  announce: 3 days
  except:
    patron_groups: [faculty]
    departments: [Emeriti]
    custom_fields: {keepActive: true}
    ids: exceptions/riverside.csv
  while: [open_loans, open_fees]
  set: {customFields.leftOn: today}
approval:
  ask: [head@riverside.example]
  answer_within: 90 minutes
  first_load: true
  load_anyway: true
notify:
  always: [systems@riverside.example]
  on_success: [head@riverside.example]
  on_rejects: [desk@riverside.example]
  on_stop: [campus@riverside.example]
  on_no_file: []
  on_decline: [head@riverside.example]
  on_failure: [oncall@riverside.example, second@riverside.example]
  weekly: [head@riverside.example]
  webhook: riverside_webhook
  slack: riverside_slack
people:
  export: Campus office, x1234
  target: FOLIO office, x2345
  airflow: Consortium
keep:
  patrons: 14 days
  reports: 1 day
deadline: 6 hours
links: {approvers: [head@riverside.example]}
"""

MAPPING = """\
target: folio
description: People of the college.
expect:
  file:
    - expect_table_columns_to_match_set: {column_set: [ID, LOGIN], exact_match: false}
  rows:
    - expect_column_values_to_not_be_null: {column: ID}
  blank:
    - expect_column_values_to_match_regex: {column: EMAIL, regex: "@"}
  warn:
    - expect_column_values_to_not_be_null: {column: CARD}
fields:
  externalSystemId: {column: ID, required: true}
  username: {column: LOGIN, steps: [lower]}
  barcode: CARD
  active: {column: STATE, lookup: states}
  patronGroup: {column: ROLE, lookup: groups}
  departments: {column: DEPTS, split: ";"}
  expirationDate: {column: EXPIRES, date: "%d/%m/%Y"}
  personal.lastName: {column: SURNAME}
  personal.firstName: {first_of: [KNOWN_AS, FIRST]}
  personal.middleName: {join: [SECOND, THIRD], with: " "}
  personal.preferredContactTypeId: {value: email}
  personal.addresses[0].addressTypeId: {value: Home}
  personal.addresses[0].city: TOWN
  personal.phone: {column: PHONE, phone: IE}
  personal.dateOfBirth: {column: BORN, date: "%d/%m/%Y", earliest: "1920-01-01", latest: "-15 years", outside: blank}
  customFields.joined: {column: JOINED, date: ["%d/%m/%Y", "%Y-%m-%d"], adjust: [end of month, +1 days]}
  customFields.until: {today: next 31 August}
  customFields.campus: CAMPUS
  personal.pronouns: {cases: [{when: {column: SEX, is: F}, value: she}, {column: PRONOUNS, default: they}]}
  customFields.extra: {column: EXTRA, json: [extra, 0]}
  customFields.number: {column: IDS, pair: {key: SID, between: ";", after_key: "="}}
ownership:
  personal.email: first
  personal.addresses: library
lookups:
  states: {A: true, otherwise: false}
  groups: {UG: undergrad, "007": staff}
blank_words: ["NULL", "-"]
newcomers: create
prefer: {column: ROLE, order: [FAC, UG]}
skip:
  - {column: ROLE, is: [ALUM, GUEST], reason: alumni are not loaded}
  - {column: CARD, matches: "^TMP", and: [{column: ROLE, is_not: FAC}, {column: CARD, blank: true}]}
"""

JARGON = re.compile(
    r"Input should|should have at|should match|valid (string|dictionary|list|tuple|boolean|integer|number)"
    r"|instance of|after validation|unable to parse|Rule\b|None|Node\(|Traceback"
)
"""Words of pydantic, PyYAML and Python that a systems analyst cannot act on."""
