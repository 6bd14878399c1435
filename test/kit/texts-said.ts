import ts from "typescript";

/**
 * The texts that expressions of a source may come to: literals that are no type, no name of a field, and that nothing is
 * compared with. A union of codes says none of them.
 */
export const textsSaid = (source: string): readonly string[] => {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteral(node) && !isOnlyNamed(node)) found.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile("source.ts", source, ts.ScriptTarget.Latest, true));
  return found;
};

const equalities: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.EqualsEqualsEqualsToken,
  ts.SyntaxKind.ExclamationEqualsEqualsToken,
]);

const isOnlyNamed = (text: ts.StringLiteral): boolean => {
  const { parent } = text;
  return (
    ts.isLiteralTypeNode(parent) ||
    ts.isCaseClause(parent) ||
    (ts.isPropertyAssignment(parent) && parent.name === text) ||
    (ts.isPropertySignature(parent) && parent.name === text) ||
    (ts.isBinaryExpression(parent) && equalities.has(parent.operatorToken.kind))
  );
};
