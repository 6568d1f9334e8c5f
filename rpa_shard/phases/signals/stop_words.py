"""Words that say nothing about what a paper is about.

Guarantee: pure; lower case. Limit: English, what papers write about themselves, and what is left of URLs.
"""

from __future__ import annotations

_ENGLISH = """
a about above across after again against all almost along already also although always am among an and another any
anything are around as at away back be became because become becomes been before began behind being below best better
between beyond both but by can cannot come could did do does doing done down due during each either else enough etc
even ever every everything far few first five for four from further gave get give given gives go goes going good got
great had half has have having he hence her here hers herself him himself his how however i if in indeed instead into
is it its itself just keep kept know last least less let like likely ll lot made mainly make makes making many may me
mean means might mine more moreover most mostly much must my myself near nearly need needs neither never new next no
nobody none nor not nothing now nowhere of off often oh ok on once one only onto or other others otherwise our ours
ourselves out over own part per perhaps please put quite rather re really s said same saw say says second see seem
seems seen self several shall she should show showed shown shows side since six so some something sometimes soon still
such t take taken takes tell ten than that the their theirs them themselves then there thereby therefore these they
thing things think third this those though three through throughout thus till to together too took toward towards try
two under unless until up upon us use used useful uses using usually ve versus very via vs want was way ways we well
went were what whatever when where whereas wherein whether which while who whole whom whose why will with within
without would yes yet you your yours yourself zero
"""

_SCHOLARLY = """
abstract access accurate achieve achieved achieves acm ad address addressed addresses advance advances aim aims allow
allows analyses analysis analyze analyzed analyzing annual anti appendix application applications applied apply
applying approach approaches appropriate art article aspect aspects assess assessing associated attempt author authors
auto available aware bad based basic basis beat behavior behaviour benefit better beyond bridging broad build building
called case cases certain challenge challenges challenging chapter characterization characterizing class close
collection combine combined combining common comparative compare compared comparing comparison complete complex
component components comprehensive compute concept concepts conclude conclusion condition conditions conduct conducted
conference consider considered considering consist consists contain contains context contribute contribution
contributions corresponding create cross current currently date datum define defined definition demonstrate
demonstrated demonstrates demonstrating depend depends describe described design designed designing detail detailed
details determine develop developed developing development different difficult direct directly discover discovering
discuss discussed discussion draft early easy edition effect effective effectively effects efficient efficiently
element employ enable enabled enables enabling end enhance enhanced enhancing ensure especially establish establishing
et evaluate evaluated evaluating evaluation evidence exact examine example examples existing experiment experiments
explain explore explored exploring extend extended extension extensive extensively fact factor factors fast feature
features figure figures finally find finding findings focus following form found foundation foundations framework full
fully function furthermore future general generalized generic goal good group guide guided handbook hard help high
higher highly hoc hyper identify identifying ieee impact implement implementation implementations implication
implications important improve improved improvement improvements improving include includes including increase
increasing individual influence insight insights inter international intra introduce introduced introduces introducing
introduction investigate investigated investigating investigation involve issue issues item items joint journal key
kind known lack large largely larger late lead leading leads learned lecture lesson lessons letters level levels
leverage leverages leveraging limit limitation limitations limits literature long look low lower macro main major
matter method methodology methods micro modern modest multi multiple namely nature necessary next nice non note notes
novel number observe observed obtain obtained offer open order original outline outperform outperforms overall
overview paper papers part partially particular particularly perform performance performed performs perspective
perspectives play point points popular possible potential potentially practical practice pre precise presence present
presented presenting presents press previous previously primer principle principles prior problem problems proc
procedure proceedings process processes produce progress promising proof properties property propose proposed proposes
proposing prove provide provided provides providing pseudo purpose quasi question questions quick range rapid rate
realistic recent recently reduce reduced reducing related relation relations relative relevant remain remains remark
remarks report reported reports require required requirement requires research respect respective respectively result
resulting results rethinking reveal reveals review reviews revisit revisited revisiting rigorous robustly role scheme
science section sections self semi sense series set sets setting settings short significant significantly similar
simple simplified simply simultaneous single slow small solution solutions solve solving some source sources specific
specifically springer standard state step steps strategies strategy strong studied studies study studying sub subject
substantial successful suggest suggests suitable summary super survey symposium system systematic systems table task
tasks technical technique techniques term terms test theory thesis time times today tomorrow tool tools topic topics
total towards traditional transactions tutorial type types typical typically ultra understand understanding unified
unifying universal university unlock unlocking up-to- utilize utilizing value values variety various vary version via
view vol volume wide widely work working works workshop year years
"""

_FRAGMENTS = """
http https www com org net edu gov io html htm pdf url doi arxiv arxivorg github gitlab href ftp abs et al ie eg cf
viz fig eq ref refs sec tab vol pp ed eds preprint
"""

STOP_WORDS = frozenset(_ENGLISH.split())
BOILERPLATE = frozenset(_SCHOLARLY.split()) | frozenset(_FRAGMENTS.split())
EMPTY_WORDS = STOP_WORDS | BOILERPLATE
