"""
The names that columns have in exports of everyday systems, and the fields that they fill.

Names are compared in lower-case letters and digits only: `Last Name`, `LAST_NAME` and `last.name` are the same. To
recognise another one, add it to its field. A column whose own name is not known is recognised by what is left without
words such as `Student` and `Home`, and with its abbreviations written out: `Student Last Nm` is a last name. Fields go
to the columns with known names first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from patronload.systems import System

_ADDRESS = "personal.addresses[0]"

LONGEST = 80
"""The longest name in which words are looked for."""

OF_ADDRESSES = ("campus", "term")
"""Words that say nothing before the name of a column of an address, but do elsewhere: Campus Street, Term Date."""

NAME, PLACE = "a name", "a place"
"""Columns with a whole name, or with city, state and zip: they fill several fields."""

# Banner: SPRIDEN, GOBTPAC, SPBPERS and so on; PeopleSoft: EMPLID, OPRID, ACAD_CAREER; Colleague, Workday: Legal Name -
# Last Name, Primary Work Email; TASS: stud_code; SIMS: Adno, Legal Surname, Reg; Koha: cardnumber, dateexpiry; Alma:
# primary_id; Sierra: P TYPE, EXP DATE, UNIQUE ID.
_FOLIO = {
    "externalSystemId": (
        "id esid studentid studentno studentnumber personid personnumber employeeid employeenumber emplid colleagueid "
        "universityid univid externalid bannerid spridenid primaryid uniqueid campusid universalid workerid "
        "admissionnumber adno studcode idnumber empid sisid externalidentifier institutionid collegeid pidm "
        "primaryidentifier borrowernumber patronnumber patronid recordnumberpatron studentcode localid sisuserid cwid "
        "staffid staffnumber staffcode matriculationnumber matricnumber sourcedid systemid institutionalid ccid misid "
        "hrperid xid communityid studentsid colleaguepersonid peoplesoftid idno alephid uidnumber"
    ),
    "username": (
        "login loginid userid netid netidentifier oprid gobtpacexternaluser gobtpacldapuser externaluser "
        "useridentifier networkid networkusername accountname samaccountname uid logon studentusername eppn upnname "
        "userprincipalname loginname logonname networklogin networkname adusername adlogin edupersonprincipalname "
        "portalusername portalid computerlogin casid ssoid unikey campuslogin windowsusername ldapid kerberosid webid "
        "studentwebid myid samaccount thirdpartyuser"
    ),
    "barcode": (
        "card cardno cardnumber librarycard librarycardnumber librarybarcode librarynumber pbarcode patronbarcode "
        "cardbarcode idcard idcardnumber campuscard campuscardnumber librarycardno userbarcode barcodenumber libraryid "
        "libbarcode cardid onecard onecardnumber borrowerbarcode barcodeid studentcardnumber rfid badgenumber badgeid "
        "bcode libraryno smartcardnumber isonumber"
    ),
    "patronGroup": (
        "group patrontype role affil affiliation patrongroup usergroup primarygroup primaryaffiliation categorycode "
        "patroncategory ptype borrowertype borrowercategory usertype acadcareer academiccareer academiclevel "
        "sgbstdnlevlcode levlcode levelcode workertype persontype stuacadlevel patronclass usergroupcode "
        "edupersonprimaryaffiliation edupersonaffiliation employeetype employeeclass emplclass ecls eclscode "
        "usercategory membertype membershiptype studenttype stutype studtype circgroup customertype rolecode "
        "personcategory styp stypcode stutypes roles acadlevel classstanding"
    ),
    "departments": (
        "depts dept department departmentname departmentcode program programme programcode acadprog academicprogram "
        "acadplan deptid costcenter costcentre sgbstdnprogram1 majrcode major faculty school college deptname "
        "departmentdescr deptdescr programname programmename majr majrcode1 majorcode collcode collcode1 homeorgn "
        "supervisoryorganization stuactiveprograms stpracadprogram hrpdept stumajors costcentername academicplan "
        "majors"
    ),
    "enrollmentDate": (
        "dateenrolled enrolled enrolldate enrolmentdate startdate hiredate registrationdate regdate dateofenrolment "
        "entrydate admitdate admissiondate dateofadmission doa datejoined joindate membersince dateofentry "
        "originalhiredate enteredon membershipstartdate mostrecenthiredate"
    ),
    "expirationDate": (
        "expires expiry validuntil expdate expiredate dateexpiry expirydate expiration expirationdt dateofexpiry "
        "patronexpires cardexpiry cardexpires cardexpirationdate enddate validto leavingdate dateofleaving expirydt "
        "expire terminationdate expireson validthru validthrough leavedate termdate cardexpiration accountexpires "
        "accountexpiration graduationdate expectedgraduationdate expgraddate expectedgraddate "
        "anticipatedgraduationdate graddate dateleft dol contractenddate membershipexpiry libraryexpirationdate "
        "expectedenddate exitdate expirdate privilegeexpiration enrolleduntil enrolleduntildate activeuntil "
        "expectedgraduation"
    ),
    "personal.lastName": (
        "surname familyname last lname lastnm spridenlastname legallastname legalnamelastname legalsurname "
        "preferredsurname namelast sn familynames userlastname prefersurname lastnamesrch studsurname perlast "
        "lastnamepreferred"
    ),
    "personal.firstName": (
        "first givenname givennames forename fname firstnm spridenfirstname legalfirstname legalnamefirstname "
        "legalforename namefirst userfirstname forenames christianname gn perfirst studfirstname given1"
    ),
    "personal.middleName": (
        "middle mi middleinitial middlenames mname spridenmi legalmiddlename legalnamemiddlename namemiddle middlenm "
        "othernames secondname middleinit midname midinit othername middlenameinitial permiddle given2"
    ),
    "personal.preferredFirstName": (
        "preferred prefname prefersname preferredname preffirstname preferredfirst preferredforename "
        "preferrednamefirstname spbperspreffirstname chosenname knownas nickname goesby preferredgivenname "
        "chosenfirstname knownasname displayfirstname givennamepreferred firstnamepreferred firstnamepref "
        "namepreferred informalname preferredgiven"
    ),
    "personal.email": (
        "mail emailaddress emailaddr emailid primaryemail primaryworkemail workemail email1 goremalemailaddress "
        "personemailaddresses schoolemail campusemail universityemail preferredemail studentemail emailpref "
        "emailprimarywork emailprimaryhome collegeemail institutionemail institutionalemail internetaddress "
        "emailaddresses occupemail networkemail"
    ),
    "personal.phone": (
        "phonenumber phoneno telephone telephonenumber telephoneno homephone phone1 primaryphone tel "
        "sprtelephonenumber hometelephone homephonenumber pphone landline daytimephone primaryphonenumber "
        "primaryhomephone telnumber telno workphone phoneprimaryhome phoneprimarywork contactnumber contactphone "
        "personalphonenumber phonework phonehome"
    ),
    "personal.mobilePhone": (
        "mobile cell cellphone mobilenumber mobilephonenumber cellphonenumber cellnumber mobileno studentmobile "
        "smsnumber mobphone cellular sms smsalertnumber mob mobiletelephone textnumber cellphoneno"
    ),
    "personal.dateOfBirth": "birthdate dob birthday dateofbirth spbpersbirthdate birthdt bdate born",
    f"{_ADDRESS}.addressLine1": (
        "street address address1 addr addr1 addrline1 addressline streetline1 spraddrstreetline1 street1 addressstreet "
        "addresslines homeaddress primaryaddressline1 mailingaddress line1 permanentaddressline1 mailaddress1 "
        "mailstreet lineone streetaddress streetaddress1"
    ),
    f"{_ADDRESS}.addressLine2": (
        "address2 addr2 addrline2 street2 streetline2 spraddrstreetline2 line2 primaryaddressline2 flat apt apartment "
        "suburb2 permanentaddressline2 mailaddress2 unitnumber streetaddress2"
    ),
    f"{_ADDRESS}.city": (
        "town spraddrcity addresscity suburb primaryaddresscity citytown locality homecity mailcity towncity posttown "
        "cityname municipality"
    ),
    f"{_ADDRESS}.region": (
        "state st province stateprovince spraddrstatcode statcode statecode primaryaddressstate county "
        "primaryaddressregion stateregion addrstate mailstate prov stateprov stateorprovince addressstate"
    ),
    f"{_ADDRESS}.postalCode": (
        "zip zipcode postcode postal spraddrzip zippostalcode primaryaddresspostalcode postalzip zip5 addresszip "
        "zipcode1 mailzip"
    ),
    f"{_ADDRESS}.countryId": (
        "country countrycode nation natncode spraddrnatncode primaryaddresscountry nationcode countryname countryiso "
        "isocountry countryregion addresscountry"
    ),
    "requestPreference.holdShelf": "holdforpickup holdshelf pickup",
    "tags.tagList": "tags taglist",
    NAME: (
        "fullname name patronname patrnname studentname displayname namedisplay personname legalname borrowername "
        "lastfirst lastfirstmiddle firstlast namelastfirst pername prename"
    ),
    PLACE: "citystatezip citystzip csz citystate cityline citystzipcode",
    "active": "isactive activestatus activeflag hrstatus emplstatus accountstatus recordstatus enabled enrollstatus",
    "personal.pronouns": "pronoun genderpronouns",
}

_INFINITI = {
    "username": (
        "login loginid userid netid user studentusername networkusername accountname logon networklogin networkname "
        "adusername adlogin samaccountname eppn userprincipalname studentwebid portalusername"
    ),
    "enabled": "active status current isactive currentstatus enrolmentstatus enrollstatus isenabled",
    "staffmember": "staff isstaff type usertype persontype role stafforstudent stafforstudents",
    "givenname": "firstname forename first legalforename givennames firstnm given1 fname forenames studfirstname",
    "surname": "lastname familyname last legalsurname lname legallastname studsurname preferredsurname",
    "middlename": "secondname middle middleinitial mi middlenames othernames given2 othername middleinit",
    "preferredname": (
        "preferred prefname preferredfirstname chosenname knownas preferredforename nickname preferredgivenname "
        "preferredfirst goesby"
    ),
    "emailaddress": "email mail emailaddr schoolemail studentemail primaryemail emailid networkemail occupemail",
    "graduationyear": (
        "yearofgraduation leavesin gradyear graduatingyear leavingyear yearleaving schedyearofgraduation classof "
        "gradyr exityear"
    ),
    "librarybarcode": "barcode card cardnumber cardno librarycard librarynumber libraryid",
    "adminsystemid": (
        "id studentid studentno code studcode adno admissionnumber externalid uniqueid personid synergeticid "
        "studentcode idnumber communityid empcode altid alternateid emplid misid upn studentnumber staffcode "
        "staffid employeeid dcid"
    ),
    "gender": "sex",
    "formclass": (
        "form formcls class homegroup reg registrationgroup reggroup pctutgrp tutorgroup homeroom rollclass rollgroup "
        "classgroup formgroup pastoralgroup advisory homegrp homerm"
    ),
    "presentationgrouplabel": (
        "group patrongroup yeargrp yeargroup year yearlevel house schoolyear ncyear gradelevel grade"
    ),
    NAME: "fullname name studentname displayname lastfirst",
}

_UNSURE = {
    "externalSystemId": "identifier upn guid altid alternateid recordid usernumber",
    "patronGroup": (
        "status category class classlevel level profile career classification yearlevel gradelevel jobclass "
        "positiontype"
    ),
    "type": "type",
    "departments": (
        "course coursecode plan unit division organization organisation orgunit organizationalunit subject homeschool"
    ),
    f"{_ADDRESS}.addressLine1": "mailaddress",
    "barcode": "iso prox",
    "personal.email": "emailpro",
}
"""Names of columns that fill these fields of FOLIO if no other column does."""

_OF = {"folio": _FOLIO, "infiniti": _INFINITI}

_BEFORE = (
    *("student", "stud", "stu", "patron", "borrower", "member", "customer", "person", "personal", "employee", "emp"),
    *("staff", "user", "primary", "main", "home", "current", "local", "legal", "official", "preferred", "permanent"),
    *("perm", "mailing", "residential", "postal", "default", "spriden", "spraddr", "sprtele", "spbpers", "goremal"),
    *("gobtpac", "sgbstdn", "pebempl"),
)
_AFTER = (
    "legal",
    "work",
    "home",
    "primary",
    "official",
    "permanent",
    "descr",
    "desc",
    "description",
    "name",
    "code",
    "1",
)
"""Words before and after a name that do not change what is in the column."""

_SHORT = {
    **dict.fromkeys(("no", "num", "nbr", "nr", "#"), "number"),
    "nm": "name", "addr": "address", "cd": "code", "dt": "date", "dte": "date", "init": "initial", "ph": "phone",
    "tel": "telephone", "cat": "category", "grp": "group", "mid": "middle", "pref": "preferred", "prefer": "preferred",
}  # fmt: skip


def assign(columns: Iterable[str], system: System) -> list[tuple[str, str]]:
    """The columns that may fill a field, each with the field: the surest first, otherwise in their order."""
    known, unsure = _known(system), _by_name(_UNSURE if system.type == "folio" else {})
    found: list[tuple[int, str, str]] = []
    for column in columns:
        likely = ((known, plain(column)), (known, None), (unsure, plain(column)), (unsure, None))
        for place, (table, name) in enumerate(likely):
            path = table.get(name) if name else _similar(column, table)
            if path:
                found.append((place, column, path))
                break
    return [(column, path) for _, column, path in sorted(found, key=lambda each: each[0])]


def _known(system: System) -> dict[str, str]:
    """The field for each known name; a complete path has precedence over its last part, and both over other names."""
    names = [path for path in system.names if path not in ("id", "type")]
    last = {plain(path.rsplit(".", 1)[-1]): path for path in reversed(names)}
    numbered = {plain(path.replace("addresses[0].", "address1")): path for path in names}
    listed = _by_name(_OF[system.type])
    of_addresses = {name: path for name, path in (last | listed).items() if path.startswith(_ADDRESS)}
    prefixed = {f"{before}{name}": path for before in OF_ADDRESSES for name, path in of_addresses.items()}
    return prefixed | last | listed | {plain(path): path for path in names} | numbered


def _by_name(listed: dict[str, str]) -> dict[str, str]:
    return {name: path for path, names in listed.items() for name in names.split()}


def _similar(column: str, known: dict[str, str]) -> str | None:
    """The field of a column's name without the words that do not matter; the one with most of its words decides."""
    names = list(dict.fromkeys((plain(column), _in_full(column)))) if len(column) <= LONGEST else []
    for name in names:  # grows
        if name in known:
            return known[name]
        shorter = [name.removeprefix(word) for word in _BEFORE if name.startswith(word)]
        shorter += [name.removesuffix(word) for word in _AFTER if name.endswith(word)]
        names += [each for each in shorter if each and each not in names]
    return None


def _in_full(column: str) -> str:
    """The name as it is compared, with its abbreviations written out."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|#", column)
    return "".join(_SHORT.get(word.lower(), word.lower()) for word in words)


def plain(name: str) -> str:
    """A name as it is compared."""
    return re.sub(r"[^a-z0-9]", "", name.lower().replace("#", "number"))
