"""Word lists of the text cleaner: what is no name, what often is one, eponyms, states."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NO_NAME = _words(
    """
    a abnormal about above acute admission admits admitted adult age aged all allergies also an
    and anesthesia anesthesiology any apparently approximately are arrived as asked assistant at
    attending available be been before below bilateral black blood both but by came cardiology
    care caucasian chest chief child clear clinic comments comparison complaint complications
    condition conscious consult consultation consulted continued copy could daily date denies
    department dermatology description diagnosis dictated did discharge discussed dob doctor
    does done dr during each edited electronically emergency endocrinology endotracheal ent
    epidural er exam examination examined fair family fax female final findings follow following
    follows for found from further gastroenterology gave gen gender general given good gu had
    has have he height hematology her here his history home hospital how i icu id if impression
    in indication indications infant information intact intensive internal is it its last left
    lidocaine lives lma local location mac male man marcaine md medical medications medicine
    mild minimal moderate monitored most mother mr mri mrn mrs ms multiple my n/a na name named
    negative nephrology neurology neurosurgery new newborn nil no noncontributory none normal
    not note noted notes now number nurse obtained of office old on once oncology ophthalmology
    or orthopaedics orthopedics our own pain pathology patient patients pediatrics pending per
    performed phone physical physician physicians plan pleasant please poor positive possible
    post postoperative preoperative present previous primary prior procedure process psychiatry
    pulmonology race radiologist radiology re reason recommended referral referred related
    report reports rheumatology right room said same saw says sedation see seen service severe
    sex she showed signed since so some spinal spoke ssn stable staff stated states status
    subject such surgeon surgery surgical technique tel than thank that the their them then
    there these they this those time to today told took transcribed type under unit unknown
    unremarkable unspecified until upon urology us used using view views was we weight went were
    what when where which white who will with woman would xray year years yes yet you your
    """
)
"""Words that are no part of a name where a pattern expects one, lower case."""
FIRST_NAMES = _words(
    """
    aaron abigail adam adrian agnes ahmed alan albert alejandro alex alexander alexandra alexis
    alfred ali alice alicia allison alyssa amanda amber amelia amir amy ana andrea andrew angela
    anil anita ann anna anne annie anthony antonio arjun arthur ashley audrey austin barbara
    beatrice benjamin bernard bernice beth betty beverly billy bobby bonnie bradley brandon
    brenda brian brittany bruce bryan carl carlos carmen carol caroline carolyn catherine
    cecilia charlene charles charlotte chen cheryl chloe chris christian christina christine
    christopher cindy claire clara clarence claudia connie craig crystal curtis cynthia dale
    daniel danielle darlene david deborah debra denise dennis derek diana diane dolores donald
    donna doris dorothy douglas dustin dylan earl eddie edgar edith edna edward edwin eileen
    elaine eleanor elena elizabeth ella ellen emily emma eric erica erin ernest esther ethan
    ethel eugene eva evan evelyn fatima florence frances francis francisco frank franklin fred
    frederick gabriel gail gary geoffrey george gerald gertrude giovanni gladys glen glenn
    gloria gordon greg gregory hannah hans harold harry harvey hassan hazel heather hector helen
    henry herbert herman hiroshi holly howard hugh ian ibrahim ida irene isaac isabella ivan
    jack jackie jacob jacqueline jaime james jamie jane janet janice jason javier jay jean
    jeanette jeff jeffrey jennifer jeremy jerome jerry jesse jessica jesus jill jim jimmy jin
    joan joanne joe joel john johnny jonathan jordan jorge jose joseph josephine joshua joyce
    juan juanita judith judy julia julian julie justin karen katherine kathleen kathryn kathy
    katie keith kelly kenji kenneth kevin khalid kim kimberly kristen kyle lakshmi larry lars
    laura lauren laurie lawrence leah lee leila leo leon leonard leroy leslie lester lewis liam
    lillian linda lisa lloyd logan lois lori lorraine louis louise luca lucas lucille lucy luis
    lynn madison magdalena manuel marcia marcus margaret maria marie marilyn mario marion
    marjorie marlene martha martin marvin mary mathew matthew maureen maurice megan mei melanie
    melinda melissa melvin meredith michael michele michelle miguel mildred minnie miriam
    mohamed mohammed monica muhammad nadia nancy natalie natasha nathan nathaniel nicholas
    nicole nikolai nina noah norma norman olga olivia omar oscar pamela patricia patrick paul
    paula pauline pavel pedro peggy peter philip phillip phyllis pierre priya rachel rafael
    rajesh ralph ramon randall randy ravi raymond rebecca regina renee ricardo richard rita
    robert roberta roberto rodney roger roland ronald rosa rosemary ross roy ruby russell ruth
    ryan sally samantha samuel sandra sanjay sara sarah scott sean sergei seth shannon sharon
    shawn sheila shirley siddharth sofia sophia stacy stanley stella stephanie stephen steve
    steven stuart sue susan suzanne sven sylvia tamara tammy tariq ted teresa terry thelma
    theodore theresa thomas tiffany tim timothy tina todd tom tony tracy travis tyler valerie
    vanessa vera vernon veronica vicki victor victoria vincent viola violet virginia vivian
    wanda warren wayne wei wendy wesley william willie wilma xavier yolanda yuki yusuf yvonne
    zachary
    """
)
"""First names that seldom mean anything else, lower case."""
EPONYMS = _words(
    """
    achilles addison addisonian adson allis alzheimer apgar argyll arnold asperger auer babcock
    babinski baker bankart barlow barrett bartholin bartter basedow batson beck becker behcet
    bell bence bennett bernard billroth blalock bochdalek bosniak bouchard bovie bowen bowman
    boxer bragg breslow bright broca brodie brudzinski brugada buerger bunyan burkitt caldwell
    campbell caroli celestin chagas charcot chari chiari chopart christmas churg chvostek clark
    cobb colles conn coombs cooper cowden creutzfeldt crohn cullen cushing cushingoid dandy
    deaver debakey denis denonvilliers dercum dix doppler douglas down dressler dubin duchenne
    dupuytren ebstein edwards ehlers ehrlich eisenmenger erb ewing fabry fallopian fallot
    fanconi feldene felty finkelstein fogarty foley fontan fowler freund friedreich frostig
    galeazzi gardner gaucher geiger gerota gilbert gleason glisson goodpasture gore graefe gram
    graves greenfield grey guillain guyon hallpike hamilton harrington hartmann hashimoto
    hawkins heberden heimlich heller henle henoch hill hilton hirschsprung hodgkin hohmann
    holter homans horner hounsfield howell huntington hurler hutchinson jackson jacksonian jakob
    jamshidi janeway jarvik jobe jones kaposi kartagener kawasaki kayser kegel kelly kerley
    kernig kirschner klatskin klebsiella klinefelter klippel kocher koplik korsakoff krukenberg
    kupffer kussmaul lachman laennec langerhans lapra lasegue laser leriche lesch levine lewy
    lhermitte linton lisfranc littre lowe ludwig luschka lyme lynch mallory marfan marshall mayo
    mcburney mcgill mcivor mcmurray meckel meigs mendelson menetrier meniere metzenbaum
    michaelis mobitz mohs monro monteggia morgagni morison morton munchausen munro murphy neer
    nissen noonan ober osgood osler paget pancoast papanicolaou parkinson parkinsonian peyer
    peyronie pfannenstiel phalen pick plummer poland poole poppen pott prinzmetal purkinje
    quincke ramsay rathke raynaud reed reinke reiter reye richter riedel rinne rolando romberg
    rorschach roux rovsing salter schatz schatzki schirmer schlemm schmorl schwann scott
    seldinger sengstaken sever sezary sheehan shenton sims sjogren skene smith snellen spigelian
    spurling stensen sternberg still strauss sturge sydenham takayasu tanner tay tenckhoff tesio
    thomas thompson tietze tinel todd tourette trendelenburg trousseau turner valsalva vater
    veress verres virchow volkmann waldenstrom wallenberg waterhouse weber weck wegener weil
    weitlaner wenckebach werner wernicke westergren wharton whipple wilms wilson wolff wood
    yankauer zenker ziehl zollinger
    """
)
"""People whose names are those of diseases, signs and instruments, lower case."""
STATES = (
    "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia"
    "|Hawaii|Idaho|Illinois|Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts"
    "|Michigan|Minnesota|Mississippi|Missouri|Montana|Nebraska|Nevada|New Hampshire|New Jersey"
    "|New Mexico|New York|North Carolina|North Dakota|Ohio|Oklahoma|Oregon|Pennsylvania"
    "|Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington"
    "|West Virginia|Wisconsin|Wyoming"
)
STATE_CODES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ"
    "|NM|NY|NC|ND|OH|OK|OR|PA|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY|DC"
)
PLAIN_STATE_CODES = (
    "AK|AZ|CA|FL|GA|IL|IA|KS|KY|MN|MO|NE|NV|NH|NJ|NM|NY|ND|OH|RI|SD|TN|TX|UT|WA|WV|WI|WY"
)
"""Those that, after a comma, are neither a degree nor a technique nor a sign."""
_THING = re.compile(
    r"(?:'s|’s)?\s*(?:disease|syndrome|sign|test|cyst|catheter|procedure|operation|fracture"
    r"|contracture|ulcer|lymphoma|sarcoma|tumou?r|palsy|chorea|thyroiditis|esophagus|clamps?"
    r"|retractors?|forceps|scissors|needle|sutures?|wires?|tube|drain|bag|splint|brace|score|scale"
    r"|classification|criteria|stain|reaction|phenomenon|maneuver|position|point|triangle|space"
    r"|node|duct|gland|ligament|tendon|disorder|fundoplication|incision|technique|approach|repair"
    r"|monitor|filter|shunt|stent|graft|block|grade|stage|type|view|method|law|line|lesion|nodule"
    r"|corpuscle)",
    re.IGNORECASE,
)


def is_thing(text: str, end: int) -> bool:
    """Whether what follows a name at `end` says that it is that of a disease, sign or device."""
    return _THING.match(text, end) is not None
