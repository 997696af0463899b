"""
The names that columns have in exports of everyday systems, and the fields that they fill.

Names are compared in lower-case letters and digits only: `Last Name`, `LAST_NAME` and `last.name` are the same. To
recognise another one, add it to its field.
"""

from __future__ import annotations

import re

from patronload.systems import System

_ADDRESS = "personal.addresses[0]"

OF_ADDRESSES = ("home", "permanent", "perm", "mailing", "local", "primary", "current", "campus", "term")
"""Words before the name of a column of an address: Home Street, Mailing ZIP."""

NAME, PLACE = "a name", "a place"
"""Columns with a whole name, or with city, state and zip: they fill several fields."""

# Banner: SPRIDEN, GOBTPAC, SPBPERS and so on; PeopleSoft: EMPLID, OPRID, ACAD_CAREER; Colleague, Workday: Legal Name -
# Last Name, Primary Work Email; TASS: stud_code; SIMS: Adno, Legal Surname, Reg; Koha: cardnumber, dateexpiry; Alma:
# primary_id; Sierra: P TYPE, EXP DATE, UNIQUE ID.
_FOLIO = {
    "externalSystemId": (
        "id esid studentid studentno studentnumber personid personnumber employeeid employeenumber emplid "
        "colleagueid universityid univid externalid bannerid spridenid primaryid uniqueid campusid universalid "
        "workerid admissionnumber adno studcode idnumber empid sisid externalidentifier institutionid collegeid"
    ),
    "username": (
        "login loginid userid netid netidentifier oprid gobtpacexternaluser gobtpacldapuser externaluser "
        "useridentifier networkid networkusername accountname samaccountname uid logon studentusername eppn "
        "upnname userprincipalname"
    ),
    "barcode": (
        "card cardno cardnumber librarycard librarycardnumber librarybarcode librarynumber pbarcode patronbarcode "
        "cardbarcode idcard idcardnumber campuscard campuscardnumber librarycardno userbarcode"
    ),
    "patronGroup": (
        "group patrontype role status affil affiliation patrongroup usergroup primarygroup primaryaffiliation "
        "categorycode patroncategory ptype borrowertype borrowercategory usertype acadcareer academiccareer "
        "academiclevel sgbstdnlevlcode levlcode levelcode workertype persontype stuacadlevel patronclass "
        "usergroupcode classlevel classstanding classification"
    ),
    "departments": (
        "depts dept department departmentname departmentcode program programme programcode acadprog "
        "academicprogram acadplan deptid costcenter costcentre sgbstdnprogram1 majrcode major faculty school college"
    ),
    "enrollmentDate": (
        "dateenrolled enrolled enrolldate enrolmentdate startdate hiredate registrationdate regdate dateofenrolment"
    ),
    "expirationDate": (
        "expires expiry validuntil expdate expiredate dateexpiry expirydate expiration expirationdt dateofexpiry "
        "patronexpires cardexpiry cardexpires cardexpirationdate enddate validto leavingdate dateofleaving "
        "expirydt terminationdate enrolleduntil enrolleduntildate activeuntil validthrough expireson expectedgraduation"
    ),
    "personal.lastName": (
        "surname familyname last lname lastnm spridenlastname legallastname legalnamelastname legalsurname "
        "preferredsurname namelast sn familynames userlastname"
    ),
    "personal.firstName": (
        "first givenname givennames forename fname firstnm spridenfirstname legalfirstname legalnamefirstname "
        "legalforename namefirst userfirstname"
    ),
    "personal.middleName": (
        "middle mi middleinitial middlenames mname spridenmi legalmiddlename legalnamemiddlename namemiddle "
        "middlenm othernames secondname"
    ),
    "personal.preferredFirstName": (
        "preferred prefname prefersname preferredname preffirstname preferredfirst preferredforename "
        "preferrednamefirstname spbperspreffirstname chosenname knownas nickname goesby"
    ),
    "personal.email": (
        "mail emailaddress emailaddr emailid primaryemail primaryworkemail workemail email1 goremalemailaddress "
        "personemailaddresses schoolemail campusemail universityemail preferredemail studentemail emailpref"
    ),
    "personal.phone": (
        "phonenumber phoneno telephone telephonenumber telephoneno homephone phone1 primaryphone tel "
        "sprtelephonenumber hometelephone homephonenumber pphone landline daytimephone primaryphonenumber "
        "primaryhomephone"
    ),
    "personal.mobilePhone": (
        "mobile cell cellphone mobilenumber mobilephonenumber cellphonenumber cellnumber mobileno studentmobile "
        "smsnumber mobphone"
    ),
    "personal.dateOfBirth": "birthdate dob birthday dateofbirth spbpersbirthdate birthdt bdate",
    f"{_ADDRESS}.addressLine1": (
        "street address address1 addr addr1 addrline1 addressline streetline1 spraddrstreetline1 street1 "
        "addressstreet addresslines homeaddress primaryaddressline1 mailingaddress line1 permanentaddressline1"
    ),
    f"{_ADDRESS}.addressLine2": (
        "address2 addr2 addrline2 street2 streetline2 spraddrstreetline2 line2 primaryaddressline2 flat apt "
        "apartment suburb2 permanentaddressline2"
    ),
    f"{_ADDRESS}.city": "town spraddrcity addresscity suburb primaryaddresscity citytown locality homecity",
    f"{_ADDRESS}.region": (
        "state st province stateprovince spraddrstatcode statcode statecode primaryaddressstate county "
        "primaryaddressregion stateregion addrstate"
    ),
    f"{_ADDRESS}.postalCode": (
        "zip zipcode postcode postal spraddrzip zippostalcode primaryaddresspostalcode postalzip zip5 addresszip "
        "zipcode1"
    ),
    f"{_ADDRESS}.countryId": (
        "country countrycode nation natncode spraddrnatncode primaryaddresscountry nationcode countryname"
    ),
    "requestPreference.holdShelf": "holdforpickup holdshelf pickup",
    "tags.tagList": "tags taglist",
    NAME: "fullname name patronname patrnname studentname displayname namedisplay personname legalname borrowername",
    PLACE: "citystatezip citystzip csz citystate cityline citystzipcode",
}

_INFINITI = {
    "username": "login loginid userid netid user studentusername networkusername accountname logon",
    "enabled": "active status current isactive currentstatus enrolmentstatus",
    "staffmember": "staff isstaff type usertype persontype role stafforstudent stafforstudents",
    "givenname": "firstname forename first legalforename givennames firstnm",
    "surname": "lastname familyname last legalsurname lname legallastname",
    "middlename": "secondname middle middleinitial mi middlenames othernames",
    "preferredname": "preferred prefname preferredfirstname chosenname knownas preferredforename nickname",
    "emailaddress": "email mail emailaddr schoolemail studentemail primaryemail emailid",
    "graduationyear": "yearofgraduation leavesin gradyear graduatingyear leavingyear yearleaving",
    "librarybarcode": "barcode card cardnumber cardno librarycard librarynumber libraryid",
    "adminsystemid": (
        "id studentid studentno code studcode adno admissionnumber externalid uniqueid personid synergeticid "
        "studentcode idnumber communityid"
    ),
    "gender": "sex",
    "formclass": (
        "form formcls class homegroup reg registrationgroup reggroup pctutgrp tutorgroup homeroom rollclass rollgroup "
        "classgroup formgroup pastoralgroup"
    ),
    "presentationgrouplabel": "group patrongroup yeargrp yeargroup year yearlevel house schoolyear ncyear",
    NAME: "fullname name studentname displayname",
}

_OF = {"folio": _FOLIO, "infiniti": _INFINITI}


def fields(system: System) -> dict[str, str]:
    """The field for each known name; a complete path has precedence over its last part, and both over other names."""
    names = [path for path in system.names if path != "id"]
    others = {name: path for path, listed in _OF[system.type].items() for name in listed.split()}
    last = {plain(path.rsplit(".", 1)[-1]): path for path in reversed(names)}
    numbered = {plain(path.replace("addresses[0].", "address1")): path for path in names}
    prefixed = {
        f"{before}{name}": path
        for path, listed in _OF[system.type].items()
        if path.startswith(_ADDRESS)
        for name in (*listed.split(), plain(path.rsplit(".", 1)[-1]))
        for before in OF_ADDRESSES
    }
    return prefixed | last | others | {plain(path): path for path in names} | numbered


def plain(name: str) -> str:
    """A name as it is compared."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
