//! Small words by which a language is known, without accents, as people type them in a hurry. A word may stand in
//! several lists: then it speaks for each of them.

use super::Language;

/// Words of English, with what chats write for them.
pub(super) const ENGLISH: &str = "the and you that was for are with his they this have from one had by but not what \
    all were we when your can said there use an each which she do how their if will up other about out many then them \
    these so some her would make like him into time has look two more write go see no way could people my than first \
    been call who its now find long down day did get come made may part i im ive ill id dont didnt doesnt cant wont \
    isnt wasnt aint u ur r lol lmao omg idk tbh ngl rn wtf pls plz thx ty bro sis mate yeah yea yep nope nah ok okay \
    hey hi hello just really want wanna gonna gotta feel feeling felt think thought know need got going because bc \
    cuz cos me he she it is am be to of in on at as or a us our too very much here why where thing things something \
    nothing anything everyone someone nobody never always still even again back over after before only off please \
    sorry thank thanks help tired sad happy angry scared mad bad good life live die kill myself hurt pain sleep work \
    job school home friend friends mom mum dad wife husband kids son daughter boyfriend girlfriend night today \
    tomorrow tonight week year years days month last next old new little big right left should shouldnt couldnt \
    wouldnt maybe every any does being doing having them themselves yourself himself herself also let lets say says \
    tell told talk since until while without through though vie cest c'est amigo amigos hola adios ciao bye la";

/// Every other language that is known by its words.
pub(super) const OTHERS: &[(Language, &str)] = &[
    (
        Language::German,
        "ich du er sie es wir ihr und oder aber nicht kein keine keinen mir mich dir dich ist bin bist sind war \
         waren habe hab hast hat haben hatte wird werde werden kann kannst will mochte moechte muss soll auch noch \
         schon mehr sehr nur wie was wer wo wenn weil dass das der die den dem des ein eine einen einem einer mit von \
         fur fuer auf aus bei nach zu zum zur im am um uber ueber so ja nein doch mal leben sterben allein heute \
         morgen gestern immer nie nichts alles alle jetzt hier dann mein meine meinen meiner meinem dein deine gut \
         schlecht geht gehts danke bitte weiss macht traurig mude muede einfach niemand gar ganz viel wieder fuhle \
         fuehle fuhl angst schlafen",
    ),
    (
        Language::French,
        "je tu il elle nous vous ils elles et ou mais ne pas plus rien jamais moi toi lui me te se suis es est sommes \
         etes sont etais etait ai as avons avez ont veux veut peux peut dois fait faire vais va aller dans sur sous \
         avec sans pour par chez de du des le la les un une mon ma mes ton ta tes son sa ses notre votre leur ce cet \
         cette ces qui que quoi quand comment pourquoi parce si oui non bien mal tres trop tout tous toute vie vivre \
         mourir seul seule aujourd hui demain hier merci bonjour salut ca cest jai quil personne toujours encore aussi \
         sens peur dormir mieux ete j'ai c'est n'ai n'est d'un d'une qu'il qu'elle j'en l'impression m'a",
    ),
    (
        Language::Spanish,
        "yo tu el ella nosotros ellos y o pero no ni nada nunca mas muy mucho mi mis su sus me te se lo la los las le \
         les un una unos unas de del al en con sin por para que quien cuando como donde porque si es soy eres estoy \
         estas esta estan estamos era fue tengo tiene tienes hay quiero quieres puedo puede hacer hace siento ser \
         estar va voy vida vivir morir solo sola hoy manana ayer siempre todo todos todas bien mal gracias hola ya \
         tambien otra otro vez esto eso ese nadie algo ayuda triste miedo dormir ganas estado desde",
    ),
    (
        Language::Italian,
        "io tu lui lei noi voi loro e o ma non niente nulla mai piu molto mio mia miei mie tuo tua suo sua mi ti si ci \
         vi lo la li le gli il un uno una di del della dei delle al alla nel nella in con senza per che chi quando \
         come dove perche se sono sei siamo siete era ero ho hai ha abbiamo hanno voglio vuoi posso puo fare faccio \
         sento essere stare sto stai sta vado va vita vivere morire solo sola oggi domani ieri sempre tutto tutti \
         bene male grazie ciao anche ancora questo questa nessuno qualcosa aiuto paura dormire cosi troppo",
    ),
    (
        Language::Dutch,
        "ik jij je hij zij ze wij we jullie en of maar niet geen niets nooit meer heel erg mijn mij jouw jou zijn haar \
         hem hun ons is ben bent was waren heb hebt heeft hebben had wil wilt kan kunt moet zal zou ga gaat gaan doen \
         wat wie waar wanneer hoe waarom omdat als dat dit de het een van voor met zonder op aan uit bij naar in om \
         te ook nog al wel ja nee leven dood sterven alleen vandaag morgen gisteren altijd alles iedereen niemand nu \
         hier dan goed slecht dank bedankt weet voel maak slapen moe bang gewoon zo echt mezelf",
    ),
    (
        Language::Portuguese,
        "eu tu voce ele ela nos eles e ou mas nao nem nada nunca mais muito meu minha meus minhas seu sua me te se o a \
         os as um uma de do da dos das no na nos nas em com sem por para pra que quem quando como onde porque sim sou \
         estou esta estao era foi tenho tem quero quer posso pode fazer faz sinto ser estar vai vou vida viver morrer \
         sozinho sozinha hoje amanha ontem sempre tudo todos bem mal obrigado obrigada ola oi ja tambem isso isto \
         ninguem algo ajuda triste medo dormir ate to tava",
    ),
    (
        Language::Polish,
        "ja ty on ona my wy oni i lub ale nie nic nigdy wiecej bardzo moj moja moje twoj mnie mi cie ci sie siebie \
         jestem jestes jest sa bylem bylam bylo byl mam masz ma maja chce chcesz moge moze musze bede bedzie robic co \
         kto gdzie kiedy jak dlaczego bo ze zeby to ten ta te tego tej w z na do od dla po przez bez tak zyc zycie \
         umrzec sam sama dzis dzisiaj jutro wczoraj zawsze wszystko wszyscy dobrze zle dziekuje czesc juz tez jeszcze \
         nikt cos pomocy smutno boje spac czuje tylko",
    ),
    (
        Language::Turkish,
        "ben sen o biz siz onlar ve veya ama degil degilim yok var hic daha cok benim senin bana sana beni seni bir bu \
         su ne kim nerede nasil neden niye cunku icin ile gibi kadar istiyorum istemiyorum biliyorum bilmiyorum \
         yapmak olmak olarak evet hayir hayat yasamak olmek yalniz yalnizim bugun yarin dun her zaman sey hersey \
         herkes kimse iyi iyiyim kotu kotuyum tesekkurler merhaba selam artik yine sadece korkuyorum hissediyorum \
         uyumak mi mu mutsuzum yoruldum",
    ),
    (
        Language::Swedish,
        "jag du han hon vi ni de och eller men inte inget ingen aldrig mer mycket min mitt mina mig dig sig honom ar \
         var har hade vill kan maste ska skulle gor gora vad vem nar hur varfor for att som det den detta en ett av \
         med utan pa till fran om i ocksa bara ja nej liv leva do ensam idag imorgon igar alltid allt alla nu har da \
         bra daligt tack hej mar kanner sova trott radd",
    ),
    (
        Language::Danish,
        "jeg du han hun vi de og eller men ikke ingen intet aldri aldrig mer mere meget min mit mine meg mig deg dig \
         seg sig er var har hadde havde vil kan ma skal skulle gjor gore hva hvad hvem hvor nar hvordan hvorfor fordi \
         for at som det den dette en et av af med uten uden pa til fra om ogsa bare ja nei nej liv leve do alene i \
         dag morgen gar altid alltid alt alle na nu her sa bra godt darlig takk tak hei hej foler sove trett",
    ),
    (
        Language::Romanian,
        "eu tu el ea noi voi ei ele si sau dar nu nimic niciodata mai foarte meu mea mei mele ma mie te tie se imi iti \
         isi sunt esti este suntem era am ai are avem vreau vrei pot poate trebuie fac face ce cine unde cand cum de \
         pentru ca sa la din cu fara pe un o al ale lui da viata traiesc mor singur singura azi maine ieri mereu tot \
         toti bine rau multumesc salut asta acum aici nimeni ceva ajutor trist frica simt",
    ),
    (
        Language::Indonesian,
        "aku saya kamu dia kami kita mereka dan atau tapi tidak nggak gak bukan tak lagi sangat sekali ku mu nya ini \
         itu yang apa siapa dimana kapan bagaimana kenapa karena untuk dengan tanpa di ke dari pada adalah ada mau \
         ingin bisa harus akan sudah belum hidup mati sendiri sendirian hari besok kemarin selalu semua baik buruk \
         terima kasih halo juga hanya sedih takut merasa banget udah orang",
    ),
    (
        Language::Czech,
        "ja ty on ona my vy oni a nebo ale ne nic nikdy vic moc velmi muj moje mne me mi te ti se si jsem jsi je jsme \
         jste jsou byl byla bylo mam mas ma chci chces muzu muze musim budu bude delat co kdo kde kdy jak proc protoze \
         ze aby to ten ta v z na do od pro po pres bez ano zit zivot umrit sam sama dnes zitra vcera vzdy vsechno \
         dobre spatne dekuji ahoj uz taky jeste nikdo neco pomoc smutny bojim spat citim jen nechci nemuzu",
    ),
    (
        Language::Hindi,
        "main mai mujhe mera meri mere tum aap hum woh wo yeh ye hai hain hoon hu tha thi the nahi nahin nai kya kaun \
         kahan kab kaise kyun kyu kyunki aur ya par lekin ko ka ki ke se mein ho raha rahi rahe kar karna karta karti \
         chahta chahti bahut bohot koi kuch sab ab abhi aaj kal zindagi jeena marna akela akeli haan yaar bhi sirf \
         apne liye jana raha gaya gayi nhi",
    ),
];
