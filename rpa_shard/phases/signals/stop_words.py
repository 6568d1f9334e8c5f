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
abstract accurate achieve achieved achieves address addressed addresses advance advances aim aims allow allows
analysis analyses analyze analyzed analyzing appendix application applications applied apply applying approach
approaches appropriate article aspect aspects assess assessing associated attempt author authors available aware based
basic basis beat behavior behaviour benefit better beyond bridging broad build building called case cases certain
challenge challenges challenging characterization characterizing class close collection combine combined combining
common compare compared comparing comparison comparative complete complex component components comprehensive compute
concept concepts conclude conclusion condition conditions conduct conducted consider considered considering consist
consists contain contains context contribute contribution contributions corresponding create current currently datum
define defined definition demonstrate demonstrated demonstrates demonstrating depend depends describe described design
designed designing detail details detailed determine develop developed developing development different difficult
direct directly discover discovering discuss discussed discussion effect effective effectively effects efficient
efficiently element employ enable enabled enables enabling end enhance enhanced enhancing ensure especially establish
establishing evaluate evaluated evaluating evaluation evidence examine example examples existing experiment
experiments explain explore explored exploring extend extended extension extensive extensively fact factor factors
feature features figure figures find finding findings finally focus following form found framework full fully function
furthermore future general generalized generic goal group guided help high higher highly identify identifying impact
implement implementation implementations implication implications important improve improved improvement improvements
improving include includes including increase increasing individual influence insight insights introduce introduced
introduces introducing introduction investigate investigated investigating investigation involve issue issues item
items joint key kind known lack large larger largely lead leading leads learned lesson lessons level levels leverage
leverages leveraging limit limitation limitations literature long look low lower main major matter method methods
methodology modern multiple namely nature necessary note notes novel number observe observed obtain obtained offer
open order original outperform outperforms outline overall overview paper papers particular particularly perform
performance performed performs perspective perspectives play point points popular possible potential potentially
practical practice precise presence present presented presenting presents previous previously principle principles
prior problem problems procedure process processes produce progress promising proof properties property propose
proposed proposes proposing prove provide provided provides providing purpose question questions range rapid rate
realistic recent recently reduce reduced reducing related relation relations relative relevant remain remains remark
remarks report reported reports require required requirement requires research respect respective respectively result
resulting results rethinking reveal reveals review reviews revisit revisited revisiting rigorous robustly role scheme
section sections sense set sets setting settings short significant significantly similar simple simply simultaneous
single small solution solutions solve solving some specific specifically standard state step steps strategy strategies
strong studied studies study studying subject substantial successful suggest suggests suitable summary survey
systematic system systems table task tasks technique techniques term terms test theory tool tools topic topics total
traditional type types typical typically understand understanding unified unifying universal unlock unlocking up-to-
date utilize utilizing value values variety various vary version view wide widely work working works year years
"""

_FRAGMENTS = """
http https www com org net edu gov io html htm pdf url doi arxiv arxivorg github gitlab href ftp abs et al ie eg cf
viz fig eq ref refs sec tab vol pp ed eds preprint
"""

STOP_WORDS = frozenset(_ENGLISH.split())
BOILERPLATE = frozenset(_SCHOLARLY.split()) | frozenset(_FRAGMENTS.split())
EMPTY_WORDS = STOP_WORDS | BOILERPLATE
