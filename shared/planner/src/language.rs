//! Questions in a language that is not read here: told by their letters, or by the small words that every sentence of a
//! language has.

use crate::text::Token;

/// Small words and a few of the trade, of languages in Latin letters. Words that are English too are not among them.
const LANGUAGES: &[(&str, &str)] = &[
    (
        "Spanish",
        "el los las del en por que cual cuales cuanto cuanta cuantos cuantas como donde cuando para con sin mas mes ano \
         anos ingresos ventas conciertos ciudad ciudades entradas fueron hubo hay artista artistas este esta pasado mejor \
         mejores dame muestra fue una un y",
    ),
    (
        "French",
        "le les des du en par quel quelle quels quelles combien comment ou quand pour avec sans plus mois annee annees \
         ventes revenus recettes ville villes billets ont ete est sont cette ce dernier derniere meilleur meilleurs montre \
         artiste artistes une un et de",
    ),
    (
        "German",
        "der das und im nach wie viel viele welche welcher welches wann fuer mit ohne mehr monat jahr jahre umsatz verkauft \
         konzerte konzert stadt staedte stadte karten waren ist sind dieses letztes letzten beste besten zeige ein eine \
         einnahmen besucher pro fur kunstler",
    ),
    (
        "Italian",
        "il gli dei delle della nel quanti quante quanto quale quali come dove quando con senza piu mese anno anni ricavi \
         vendite incassi concerti citta biglietti sono stati questo questa scorso migliore migliori mostra una e di",
    ),
    (
        "Portuguese",
        "os das dos em por quantos quantas quanto qual quais como onde quando para com sem mais mes ano anos receita vendas \
         ingressos cidade cidades foram houve este esta passado melhor melhores mostre uma um e",
    ),
    (
        "Dutch",
        "het een van hoeveel welke hoe waar wanneer voor met zonder meer maand jaar jaren omzet verkocht concerten stad \
         steden kaartjes waren zijn dit deze vorig vorige beste toon en",
    ),
];

/// The language of a question that is not English, where its letters or its words say so. `Some("")` where only the
/// letters say that it is another one.
pub(crate) fn other_language(
    question: &str,
    tokens: &[Token],
    is_known: impl Fn(&Token) -> bool,
) -> Option<&'static str> {
    let letters = question.chars().filter(|c| c.is_alphabetic()).count();
    // Latin letters with and without marks end here; what follows is written in others.
    let foreign = question.chars().filter(|c| c.is_alphabetic() && *c > '\u{24f}').count();
    if letters > 0 && foreign * 2 > letters {
        return Some(script_of(question));
    }
    const LEAST_WORDS: usize = 3;
    let words: Vec<&Token> = tokens
        .iter()
        .filter(|token| token.norm.chars().any(char::is_alphabetic))
        .collect();
    let unknown = words.iter().filter(|token| !is_known(token)).count();
    if words.len() < LEAST_WORDS || unknown * 3 < words.len() {
        return None;
    }
    LANGUAGES
        .iter()
        .map(|(language, list)| {
            let hits = words
                .iter()
                .filter(|token| list.split_whitespace().any(|word| word == token.norm))
                .count();
            (hits, *language)
        })
        .filter(|(hits, _)| *hits >= 2 && hits * 3 >= words.len())
        // Of languages with as many words the first is taken; they are kin.
        .rev()
        .max_by_key(|(hits, _)| *hits)
        .map(|(_, language)| language)
}

fn script_of(question: &str) -> &'static str {
    let has = |from: char, to: char| question.chars().any(|c| (from..=to).contains(&c));
    if has('\u{3040}', '\u{30ff}') {
        "Japanese"
    } else if has('\u{ac00}', '\u{d7af}') {
        "Korean"
    } else if has('\u{4e00}', '\u{9fff}') {
        "Chinese"
    } else if has('\u{370}', '\u{3ff}') {
        "Greek"
    } else if has('\u{590}', '\u{5ff}') {
        "Hebrew"
    } else if has('\u{600}', '\u{6ff}') {
        "Arabic"
    } else if has('\u{e00}', '\u{e7f}') {
        "Thai"
    } else {
        ""
    }
}
